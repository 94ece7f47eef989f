//! Deployments → numbers. One metric is one file.
//!
//! In: a [`Delivery`]. Out: [`Measurements`] by service, pipeline, account, organizational unit, tag and organization.

use super::{Delivery, Measurements, Options};

/// Measures everything.
#[must_use]
pub fn measure(delivery: &Delivery, options: &Options) -> Measurements {
    Measurements {
        schema_version: Measurements::SCHEMA_VERSION,
        as_of: options.as_of,
        from: options.from(),
        window_seconds: options.window.as_secs(),
        window: options.window_text.clone(),
        time_zone: options.time_zone_name.clone(),
        services: delivery.services.clone(),
        groups: Vec::new(),
        deployments: delivery.deployments.clone(),
        lead_times: Vec::new(),
        coverage: delivery.coverage.clone(),
    }
}
