-- The role that owns everything.
SELECT quote_ident(current_user) AS owner
