//! Docker's diagnostic paths, and `/metrics`.
//!
//! What reads has no way to write: handlers get a [`View`], and only those behind the flag get the node.

mod changes;
mod host;
mod reply;
mod server;
mod view;

use std::sync::Arc;

use axum::{
    Form, Router,
    extract::{FromRequest, Query, Request, State},
    http::{Method, header},
    response::{IntoResponse, Response},
    routing::any,
};
use networkdb_host::Node;

use changes::{Change, entry_key};
use reply::{Details, Reply};
pub(crate) use server::serve;
use view::View;

/// The paths, as `/help` lists them.
const PATHS: [&str; 14] = [
    "/",
    "/clusterpeers",
    "/createentry",
    "/deleteentry",
    "/getentry",
    "/gettable",
    "/help",
    "/join",
    "/joinnetwork",
    "/leavenetwork",
    "/networkpeers",
    "/networkstats",
    "/ready",
    "/updateentry",
];

struct Diagnostics {
    view: View,
    /// Present only if changes are allowed.
    changes: Option<Node>,
}

/// The HTTP service of a node.
pub(crate) fn router(node: Node, allow_changes: bool) -> Router {
    let changes = allow_changes.then(|| node.clone());
    let state = Arc::new(Diagnostics { view: View::new(node), changes });
    Router::new().route("/metrics", any(metrics)).fallback(diagnose).with_state(state)
}

async fn metrics(State(state): State<Arc<Diagnostics>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.view.metrics())
        .into_response()
}

async fn diagnose(State(state): State<Arc<Diagnostics>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let from_page = is_from_page(&request);
    let parameters = Parameters::read(request).await;
    let reply = match Change::at(&path) {
        Some(_) if from_page => Reply::fail("changes are not taken from web pages"),
        Some(change) => change.run(state.changes.as_ref(), &parameters).await,
        None => state.view.question(&path, &parameters).await.unwrap_or_else(Reply::missing),
    };
    reply.render(parameters.get("json"))
}

/// Whether a browser sends this for a page, which could be anybody's, rather than for its user.
fn is_from_page(request: &Request) -> bool {
    request.headers().get("sec-fetch-site").is_some_and(|site| site != "none")
}

impl View {
    /// `Err` is the usage of a path that lacks a parameter.
    async fn question(&self, path: &str, parameters: &Parameters) -> Result<Reply, &'static str> {
        Ok(match path {
            "/help" => Reply::ok(Details::info(PATHS.join("\n") + "\n")),
            "/ready" => Reply::ok(Details::info("OK")),
            "/clusterpeers" => self.cluster_peers(),
            "/networkpeers" => self.network_peers(parameters.get("nid").ok_or("/networkpeers?nid=test")?),
            "/networkstats" => self.network_stats(parameters.get("nid").ok_or("/networkstats?nid=test")?),
            "/gettable" => {
                let need = |name| parameters.get(name).ok_or("/gettable?tname=table_name&nid=network_id");
                self.table(need("tname")?, need("nid")?, parameters.plain())
            }
            "/getentry" => {
                let need =
                    |name| parameters.get(name).ok_or("/getentry?tname=table_name&nid=network_id&key=k");
                for name in ["tname", "nid", "key"] {
                    need(name)?;
                }
                self.entry(&entry_key(parameters), parameters.plain()).await
            }
            _ => Reply::not_implemented(path),
        })
    }
}

/// The parameters of a request: those of a form in its body, then those of its query.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    async fn read(request: Request) -> Self {
        let query = Query::<Vec<(String, String)>>::try_from_uri(request.uri()).map(|Query(query)| query);
        let query = query.unwrap_or_default();
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return Self(query);
        }
        // A body that is no form holds no parameters.
        let body = Form::<Vec<(String, String)>>::from_request(request, &()).await;
        let mut all = body.map(|Form(body)| body).unwrap_or_default();
        all.extend(query);
        Self(all)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Whether values are wanted as they are instead of in base64.
    pub(super) fn plain(&self) -> bool {
        self.get("unsafe").is_some()
    }
}
