"""What every other package needs: glossary, errors, schema, time, text, phone numbers and atomic file writing."""
