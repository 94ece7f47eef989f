//! `pipewarden dora`: the metrics of delivery.

#[cfg_attr(not(test), expect(dead_code, reason = "the subcommand that sends them joins it"))]
mod put_metric_data;
#[cfg_attr(not(test), expect(dead_code, reason = "the subcommand that serves joins it"))]
mod serve;
