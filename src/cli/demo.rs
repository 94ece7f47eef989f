//! `pipewarden demo`: the whole audit against a simulated organization, over the wire, without an AWS account.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::Exit;
use super::aws;
use super::collect;
use super::deliveries::{self, HistoryArgs};
use super::failure::Failure;
use super::kept;
use super::options::{PolicyOptions, ReportOptions, RunOptions, Threshold, judge, question, say, threshold};
use super::policies;
use super::runs;
use crate::collect::git_hosts::{HostEntry, HostError, Secrets, SourceHosts};
use crate::config::Archive;
use crate::inventory::{Redaction, Region};
use crate::simulate::{Simulation, SimulationOptions, SimulationServer};

/// What is simulated.
#[derive(Debug, Clone, Args)]
pub(super) struct WorldOptions {
    /// Accounts in the organization
    #[arg(long, value_name = "N", default_value_t = 12)]
    accounts: usize,
    /// Pipelines per account and Region
    #[arg(long, value_name = "N", default_value_t = 3)]
    pipelines: usize,
    /// Regions that every account has enabled
    #[arg(long, value_name = "REGION", value_delimiter = ',', default_value = "eu-central-1,us-east-1")]
    regions: Vec<Region>,
    /// Regions that pipelines stand in, counted from the first; the others are enabled and empty [default: all]
    #[arg(long, value_name = "N")]
    regions_in_use: Option<usize>,
    /// The same seed gives the same organization
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Latency of every answer, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,
    /// Do not throttle at AWS's rates
    #[arg(long)]
    no_limits: bool,
    /// Deny nothing: every account and call can be seen
    #[arg(long)]
    no_denials: bool,
    /// Refuse this IAM action everywhere, e.g. `codepipeline:GetPipeline`
    #[arg(long, value_name = "ACTION")]
    deny: Option<String>,
}

impl WorldOptions {
    pub(super) fn simulation(&self) -> Simulation {
        Simulation::new(SimulationOptions {
            seed: self.seed,
            accounts: self.accounts,
            pipelines_per_account_region: self.pipelines,
            regions: self.regions.clone(),
            regions_in_use: self.regions_in_use,
            latency: Duration::from_millis(self.latency),
            limits: !self.no_limits,
            denials: !self.no_denials,
            deny_action: self.deny.clone(),
            ..SimulationOptions::default()
        })
    }
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    #[command(flatten)]
    world: WorldOptions,
    #[command(flatten)]
    run: RunOptions,
    #[command(flatten)]
    policies: PolicyOptions,
    #[command(flatten)]
    history: HistoryArgs,
    #[command(flatten)]
    report: DemoReportOptions,
}

/// As [`ReportOptions`], but violations do not fail a demonstration unless asked to.
#[derive(Debug, Clone, Args)]
struct DemoReportOptions {
    /// Exit with 1 if something is non-compliant, as `audit` does
    #[arg(long)]
    fail: bool,
    /// Exit with 1 if a violation at or above this severity is new or worse since the run before, as `audit` does
    #[arg(long, value_name = "SEVERITY", value_parser = threshold)]
    fail_on_new: Option<Threshold>,
}

pub(super) fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    if kept::address_of(&args.run.out)?.is_some() {
        return Err(Failure::usage("a demonstration is kept in a folder of this machine; name one with --out"));
    }
    let mut config = args.run.resolve()?;
    let policies = policies::load(&config, &args.policies, SimulationOptions::default().now)?;
    let simulation = Arc::new(args.world.simulation());
    let history = &mut config.written.history;
    if args.history.history && history.archive.is_none() && history.sources.is_none() {
        // The event history answers twice a second; the trail's files hold the same.
        history.archive = Some(Archive { bucket: simulation.trail_bucket(), ..Archive::default() });
    }
    let now = SimulationOptions::default().now;
    let home = args.world.regions.first().cloned().unwrap_or_else(|| crate::inventory::Partition::Aws.default_region());
    let asked =
        question(&config, &policies, &args.history.question(json!({"simulation": format!("{:?}", args.world)})));
    // The same organization gives the same bytes, so its key is no secret.
    let redaction = Redaction::with_key(b"the key of the demonstration").unwrap_or_default();
    let run = aws::runtime()?.block_on(async {
        let server = SimulationServer::start(Arc::clone(&simulation), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .await
            .map_err(|error| Failure::failed(&error))?;
        say(&format!(
            "simulating {} accounts in {} Regions on {}",
            args.world.accounts,
            args.world.regions.len(),
            server.endpoint_url()
        ));
        let hosts = simulated_hosts(&server).map_err(Failure::usage)?;
        let sessions =
            aws::sessions(aws::for_loopback(&server.endpoint_url(), &home), &config, hosts, redaction).await?;
        let run = args.run.run_directory(&asked, args.world.seed, now)?;
        collect::into(&run, &sessions, &config).await?;
        if args.history.history {
            deliveries::collect(&run, &args.run.out, &sessions, &config).await?;
        }
        server.stop().await;
        Ok::<_, Failure>(run)
    })?;
    if args.history.history {
        deliveries::settle(&run, &args.run.out, &config)?;
    }
    let judged = judge(&run, &config, &policies)?;
    let report = ReportOptions {
        format: Vec::new(),
        fail_on: Threshold(args.report.fail.then_some(crate::finding::Severity::Low)),
        fail_on_new: args.report.fail_on_new,
        fail_on_gaps: false,
    };
    let exit = report.conclude(&run, &judged, &policies)?;
    runs::prune_after(&run, &args.run.out, &config);
    Ok(exit)
}

/// The source hosts of the simulation, with the tokens that it takes.
fn simulated_hosts(server: &SimulationServer) -> Result<SourceHosts, HostError> {
    let access = server.hosts();
    let entries: Vec<HostEntry> = access.iter().map(|host| HostEntry::with_token(&host.host, &host.api)).collect();
    let token = |name: &str| access.iter().find(|host| host.host == name).map(|host| host.token.clone());
    let file = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
    SourceHosts::open(&entries, &Secrets { variable: &token, file: &file })
}
