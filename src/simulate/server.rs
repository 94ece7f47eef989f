//! The socket: HTTP/1.1 on loopback in front of a [`Simulation`].

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::Simulation;
use super::dispatch::{Request, Response, respond};
use super::hosted::{self, HostAccess};

/// A running server. It ends with [`SimulationServer::stop`], or when it is dropped.
#[derive(Debug)]
pub struct SimulationServer {
    address: SocketAddr,
    stopping: watch::Sender<bool>,
    accepting: Option<JoinHandle<()>>,
}

impl SimulationServer {
    /// Listens on `listen` (port 0 takes a free one) and answers until it is stopped.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn start(simulation: Arc<Simulation>, listen: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let (stopping, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, simulation, stopped));
        Ok(Self { address, stopping, accepting: Some(accepting) })
    }

    /// What clients take as their endpoint.
    #[must_use]
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The source hosts behind it, with the tokens that they take.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostAccess> {
        hosted::access(&self.endpoint_url())
    }

    /// Stops accepting, drops all connections and waits until that is done.
    pub async fn stop(mut self) {
        let _ = self.stopping.send(true);
        if let Some(accepting) = self.accepting.take()
            && let Err(error) = accepting.await
        {
            tracing::debug!(%error, "the simulated organization did not end well");
        }
    }
}

impl Drop for SimulationServer {
    fn drop(&mut self) {
        let _ = self.stopping.send(true);
    }
}

async fn accept(listener: TcpListener, simulation: Arc<Simulation>, mut stopped: watch::Receiver<bool>) {
    // Dropping the set ends every connection.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&simulation)));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: give the others time to end.
                    tracing::debug!(%error, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            _ = stopped.changed() => break,
        }
    }
}

async fn serve(stream: TcpStream, simulation: Arc<Simulation>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::trace!(%error, "no delay could not be set");
    }
    let service = service_fn(move |request| answer(Arc::clone(&simulation), request));
    // A client may hang up whenever it likes.
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::trace!(%error, "a connection ended early");
    }
}

async fn answer(
    simulation: Arc<Simulation>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let latency = simulation.world.options.latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let request = Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body: &body,
    };
    Ok(written(respond(&simulation, &request)))
}

fn written(response: Response) -> hyper::Response<Full<Bytes>> {
    let mut written = hyper::Response::new(Full::new(Bytes::from(response.body.bytes)));
    *written.status_mut() =
        hyper::StatusCode::from_u16(response.status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = written.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(response.body.content_type));
    for (name, value) in response.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    written
}
