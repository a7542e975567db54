"""What the policy packs share: rules as data, the adapter to the engine, redaction, exemptions, configuration."""
