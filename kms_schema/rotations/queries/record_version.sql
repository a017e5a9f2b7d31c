UPDATE {schema}.key_rotations SET new_version = %(new_version)s WHERE id = %(id)s AND {part(claimed)}
