SELECT 'entry ' || id || ' (sequence ' || sequence || ')' AS name, problem, sequence AS place
FROM ({against_time}) AS entries
