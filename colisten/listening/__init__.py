"""The listening contract: reading, checking, importing, synthesising and splitting data."""
