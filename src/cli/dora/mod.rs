//! `pipewarden dora`: DORA's metrics from the histories at hand.
//!
//! In: the store that `audit --history` fills, and files (a trail's log files, exported events, incidents). Out: the
//! measurements on stdout, in a folder, on `/metrics`, or in CloudWatch.

mod digest_keys;
mod measure;
mod put_metric_data;
mod report;
mod serve;

use std::net::SocketAddr;

use clap::{Args, Subcommand};
use time::OffsetDateTime;

use self::measure::MeasureOptions;
use super::Exit;
use super::aws::{self, AwsOptions};
use super::failure::Failure;
use super::options::say;

/// Options of `dora`.
#[derive(Debug, Args)]
pub(super) struct DoraArgs {
    #[command(subcommand)]
    command: DoraCommand,
}

#[derive(Debug, Subcommand)]
enum DoraCommand {
    /// Print the metrics, or write them in all formats
    Report(report::ReportArgs),
    /// Serve the metrics for Prometheus, and the page for a browser
    Serve(ServeArgs),
    /// Send the metrics to CloudWatch
    PutMetricData(PutMetricDataArgs),
}

/// Options of `dora serve`.
#[derive(Debug, Args)]
struct ServeArgs {
    #[command(flatten)]
    measure: MeasureOptions,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9464")]
    listen: SocketAddr,
}

/// Options of `dora put-metric-data`.
#[derive(Debug, Args)]
struct PutMetricDataArgs {
    #[command(flatten)]
    measure: MeasureOptions,
    #[command(flatten)]
    aws: AwsOptions,
}

pub(super) fn run(args: &DoraArgs) -> Result<Exit, Failure> {
    match &args.command {
        DoraCommand::Report(args) => report::run(args),
        DoraCommand::Serve(args) => {
            let measure = args.measure.clone();
            // What cannot be measured now is said now, not at the first scrape.
            measure.measure()?;
            aws::runtime()?.block_on(serve::serve(args.listen, move || measure.measure()))?;
            Ok(Exit::Compliant)
        }
        DoraCommand::PutMetricData(args) => put(args),
    }
}

fn put(args: &PutMetricDataArgs) -> Result<Exit, Failure> {
    let measurements = args.measure.measure()?;
    let now = OffsetDateTime::now_utc();
    let home = args.measure.config()?.home_region;
    let delivered = aws::runtime()?.block_on(async {
        let sdk = aws::from_environment(&args.aws, home.as_ref()).await;
        put_metric_data::put_metric_data(&sdk, &measurements, now).await
    })?;
    for refusal in &delivered.refusals {
        say(refusal);
    }
    say(&format!("sent {} points in {} requests", delivered.points, delivered.requests));
    Ok(Exit::Compliant)
}
