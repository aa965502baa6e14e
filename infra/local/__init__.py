"""The embedded stack: Airflow and MLflow as ordinary processes of one machine, and the demo that drives them."""
