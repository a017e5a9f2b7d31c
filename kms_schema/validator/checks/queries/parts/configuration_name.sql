'HSM configuration ' || configuration.configuration_name || ' (' || CAST(configuration.id AS text) || ')'
