    SELECT RAISE(ABORT, '{rule}: {column} has more than {most} bytes')
    WHERE length(CAST(NEW.{column} AS BLOB)) > {most};
