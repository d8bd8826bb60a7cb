"""Block transforms. `lossy_lightning.functional` exports them: here the names of files and functions would meet."""
