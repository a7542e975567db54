"""What the policy packs share: rules as data, the way to the engine, redaction, exemptions, configuration."""
