"""The one way from the scheduler to the container engine: requests are read, checked and only then passed on."""
