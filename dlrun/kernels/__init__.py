"""The kernel language, its compilation and storage, and the kernels that several components share."""
