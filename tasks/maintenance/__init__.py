"""What is left over in the store and may go. Nothing goes unasked."""
