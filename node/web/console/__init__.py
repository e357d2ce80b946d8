"""The pages of the settlement desk."""
