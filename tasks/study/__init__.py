"""The study of docs/study.md: settings as data, cells run through the pipeline, a report from the store alone."""
