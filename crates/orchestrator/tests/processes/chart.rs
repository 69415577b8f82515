//! What Helm has made of the chart in `chart/`: which container runs which lines, in which environment, and how it is probed.
//!
//! The chart is our own, after the facts of the published one; see its `Chart.yaml`. Start at [`Rendered`].

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// The objects of one rendered chart.
pub(crate) struct Rendered(Vec<Value>);

/// A container of this project's image.
pub(crate) struct Container {
    /// What `sh -c` is given.
    pub(crate) script: String,
    pub(crate) environment: BTreeMap<String, String>,
    /// The command lines that ask whether it is well.
    pub(crate) probes: Vec<String>,
}

impl Rendered {
    pub(crate) fn plain() -> Self {
        Self::read(include_str!("chart/rendered/plain.yaml"))
    }

    pub(crate) fn tls() -> Self {
        Self::read(include_str!("chart/rendered/tls.yaml"))
    }

    pub(crate) fn mutual_tls() -> Self {
        Self::read(include_str!("chart/rendered/mutual.yaml"))
    }

    fn read(text: &str) -> Self {
        let objects = text.split("---\n").filter(|object| !object.trim().is_empty());
        Self(objects.map(|object| serde_saphyr::from_str(object).unwrap()).collect())
    }

    /// The container of the deployment.
    pub(crate) fn server(&self) -> Container {
        self.container("Deployment")
    }

    /// The container of the migration job.
    pub(crate) fn job(&self) -> Container {
        self.container("Job")
    }

    /// The file that is mounted as the channels.
    pub(crate) fn channels(&self) -> &str {
        let files = self.0.iter().find_map(|object| object["data"]["config.yaml"].as_str());
        files.expect("a map of files")
    }

    fn container(&self, kind: &str) -> Container {
        let object = self.0.iter().find(|object| object["kind"] == kind).expect(kind);
        let container = &object["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["command"], json!(["sh", "-c"]));
        let shared = list(&container["envFrom"]).iter().flat_map(|source| self.variables(source));
        let own = list(&container["env"])
            .iter()
            .map(|variable| (text(&variable["name"]), text(&variable["value"])));
        let probes =
            ["startupProbe", "livenessProbe"].into_iter().map(|probe| &container[probe]["exec"]["command"]);
        let line = |command: &Value| list(command).iter().map(text).collect::<Vec<_>>().join(" ");
        Container {
            script: text(&container["args"][0]),
            environment: shared.chain(own).collect(),
            probes: probes.filter(|command| command.is_array()).map(line).collect(),
        }
    }

    /// The variables of a map or a secret.
    fn variables(&self, source: &Value) -> BTreeMap<String, String> {
        let (kind, name, data) = match &source["secretRef"]["name"] {
            Value::Null => ("ConfigMap", &source["configMapRef"]["name"], "data"),
            name => ("Secret", name, "stringData"),
        };
        let is_meant = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == *name;
        let object = self.0.iter().find(is_meant).expect("what a container refers to");
        object[data].as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect()
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Kubernetes takes nothing else for a variable or an argument.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

#[test]
#[ignore = "needs Helm 3"]
fn the_rendered_files_are_what_helm_makes_of_the_chart() {
    let folder = tempfile::tempdir().unwrap();
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/processes/chart");
    let rendered = Command::new("sh").arg(chart.join("render.sh")).arg(folder.path()).status().unwrap();
    assert!(rendered.success());
    for name in ["plain.yaml", "tls.yaml", "mutual.yaml"] {
        let read = |folder: &Path| std::fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(read(folder.path()), read(&chart.join("rendered")), "{name}");
    }
}
