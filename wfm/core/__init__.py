"""What every room needs: glossary, errors, schema, time, text, phone numbers and whole-file writing."""
