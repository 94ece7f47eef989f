//! `pipewarden simulate`: the simulated organization alone, for any AWS client.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;

use super::Exit;
use super::aws;
use super::demo::WorldOptions;
use super::failure::Failure;
use super::options::say;
use crate::simulate::SimulationServer;

/// Options of `simulate`.
#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4600")]
    listen: SocketAddr,
    #[command(flatten)]
    world: WorldOptions,
}

pub(super) fn run(args: &SimulateArgs) -> Result<Exit, Failure> {
    let simulation = Arc::new(args.world.simulation());
    aws::runtime()?.block_on(async {
        let server = SimulationServer::start(Arc::clone(&simulation), args.listen)
            .await
            .map_err(|error| Failure::because(format!("cannot listen on {}: {error}; choose another address with `--listen`", args.listen)))?;
        say(&format!("listening on {}", server.endpoint_url()));
        say(&format!("try: AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any aws --endpoint-url {} --region us-east-1 organizations list-accounts", server.endpoint_url()));
        let interrupted = tokio::signal::ctrl_c().await.map_err(|error| Failure::failed(&error));
        server.stop().await;
        interrupted
    })?;
    Ok(Exit::Compliant)
}
