//! The gate in a pull request.

/// Plans of Terraform.
mod terraform;
