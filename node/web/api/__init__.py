"""REST under /{institution}/api/v1, errors as problem+json, and the live stream."""
