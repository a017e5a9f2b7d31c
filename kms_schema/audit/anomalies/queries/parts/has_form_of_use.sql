coalesce({is_count(entry.additional_metadata, version)}
                AND {is_count(entry.additional_metadata, encryptions)}
                AND {is_count(entry.additional_metadata, decryptions)}
                AND {is_text(entry.additional_metadata, process)}, false)
