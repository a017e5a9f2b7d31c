    SELECT RAISE(ABORT, 'ck_key_masters_{status}_has_{time}: a key that is {status} must have {time}')
    WHERE NEW.status = '{status}' AND NEW.{time} IS NULL;
