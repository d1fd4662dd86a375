//! Builds the functions' binaries with cargo.

mod cargo;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::cargo::{cargo, output};

/// Why there are no binaries to run.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Cargo could not be started at all.
    #[error("cargo can't be run; is it in PATH?")]
    NoCargo(#[source] std::io::Error),
    /// Cargo has written the error to standard error.
    #[error("the functions don't build: see cargo's messages above")]
    Failed,
    /// There is no workspace to build from, or its manifests are wrong: cargo has written the error to standard error.
    #[error("{}, where the template is, is in no workspace that cargo can read: see its message above", .0.display())]
    NoWorkspace(PathBuf),
    /// The template names a binary that the workspace does not have.
    #[error(
        "the template names the binary {binary} (Metadata.BuildProperties.Binary, or CodeUri), but no package of the \
         workspace {} builds it; there {}", .workspace.display(), list(.there)
    )]
    Missing {
        /// What the template names.
        binary: String,
        /// The workspace's directory.
        workspace: PathBuf,
        /// The binaries that its packages build.
        there: Vec<String>,
    },
    /// A function was to run as a worker, and its package has no binary for that.
    #[error(
        "{function} can't run as a worker: no package of the workspace {} builds the binary {binary}. To the Cargo.toml of its \
         package, add [features] worker = [\"dep:worker\", \"tokio/rt-multi-thread\"], [dependencies] worker = {{ workspace = \
         true, optional = true }}, and [[bin]] name = \"{binary}\", path = \"src/bin/worker.rs\", required-features = \
         [\"worker\"]", .workspace.display()
    )]
    NoWorker {
        /// The function.
        function: String,
        /// The binary that its package lacks.
        binary: String,
        /// The workspace's directory.
        workspace: PathBuf,
    },
    /// A binary was to be found rather than built.
    #[error("there is no {}; `cargo lambda build` puts it into {}", .path.display(), .usual.display())]
    NotFound {
        /// Where it was to be found.
        path: PathBuf,
        /// Where `cargo lambda build` puts what it builds.
        usual: PathBuf,
    },
}

fn list(there: &[String]) -> String {
    match there {
        [] => "is none".to_owned(),
        [one] => format!("is {one}"),
        several => format!("are {}", several.join(", ")),
    }
}

/// Builds these binaries of the workspace in `directory`, dev profile, and returns the path of each. The features that a binary
/// requires are enabled.
///
/// Cargo's progress and messages go to standard error.
///
/// # Errors
///
/// [`BuildError`]; the messages of cargo and the compiler are on standard error by then.
pub async fn build(directory: &Path, binaries: &[String]) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    Ok(build_and(directory, binaries, None).await?.0)
}

/// An example of a package.
#[derive(Clone, Copy)]
pub(crate) struct Example {
    pub(crate) package: &'static str,
    pub(crate) name: &'static str,
}

/// The same, and an example if the workspace has it: in one build, so that nothing is compiled twice.
pub(crate) async fn build_and(
    directory: &Path,
    binaries: &[String],
    example: Option<Example>,
) -> Result<(BTreeMap<String, PathBuf>, Option<PathBuf>), BuildError> {
    if binaries.is_empty() {
        return Ok((BTreeMap::new(), None));
    }
    let workspace = Workspace::at(directory).await?;
    let packages = workspace.packages_of(binaries)?;
    let mut cargo = cargo(directory, "build");
    cargo.arg("--message-format=json-render-diagnostics");
    for (binary, package) in packages {
        cargo.args(package.selection(binary));
    }
    if let Some(Example { package, name }) = example.filter(|example| workspace.has_example(example)) {
        cargo.args(["--package", package, "--example", name]);
    }
    // Together with this package: alone, the functions' dependencies would be resolved to other features than those that
    // are compiled already, and the AWS SDK would be compiled a second time.
    if workspace.has(env!("CARGO_PKG_NAME")) {
        cargo.args(["--package", env!("CARGO_PKG_NAME")]);
    }
    let built = output(cargo).await?;
    if !built.status.success() {
        return Err(BuildError::Failed);
    }
    let artifacts: Vec<_> = built
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(json::<Artifact>)
        .collect();
    let paths = binaries.iter().map(|binary| {
        let path = built_as(&artifacts, "bin", binary).ok_or_else(|| workspace.missing(binary))?;
        Ok((binary.clone(), path))
    });
    let example = example.and_then(|example| built_as(&artifacts, "example", example.name));
    Ok((paths.collect::<Result<_, _>>()?, example))
}

/// Where cargo has put what it built of this kind and name.
fn built_as(artifacts: &[Artifact], kind: &str, name: &str) -> Option<PathBuf> {
    let mut artifacts = artifacts.iter().filter(|artifact| artifact.target.is(kind, name));
    artifacts.find_map(|artifact| artifact.executable.clone())
}

/// Where the workspace of a template is: where the template lies.
pub(crate) fn workspace_of(template: &Path) -> &Path {
    let directory = template.parent();
    let directory = directory.filter(|directory| !directory.as_os_str().is_empty());
    directory.unwrap_or(Path::new("."))
}

/// Where `cargo lambda build` puts the binaries of the workspace in `directory`: cargo's target directory is a setting.
///
/// # Errors
///
/// [`BuildError::NoWorkspace`], [`BuildError::NoCargo`].
pub(crate) async fn cargo_lambda(directory: &Path) -> Result<PathBuf, BuildError> {
    let workspace = Workspace::at(directory).await?;
    Ok(workspace.target_directory.join("lambda"))
}

/// Where each of these binaries is in a directory that `cargo lambda build` has filled; the template is in `workspace`.
///
/// # Errors
///
/// [`BuildError::NotFound`] names the first that is not there.
pub(crate) async fn found(
    directory: &Path,
    binaries: &[String],
    workspace: &Path,
) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let mut found = BTreeMap::new();
    for binary in binaries {
        let path = directory.join(binary).join("bootstrap");
        // A path that stays right whatever directory the function is started in.
        match path.canonicalize() {
            Ok(path) if path.is_file() => found.insert(binary.clone(), path),
            _ => {
                let usual = cargo_lambda(workspace).await;
                let usual = usual.unwrap_or_else(|_| Path::new("target").join("lambda"));
                return Err(BuildError::NotFound { path, usual });
            }
        };
    }
    Ok(found)
}

/// The output of `cargo metadata`.
#[derive(Deserialize)]
pub(crate) struct Workspace {
    packages: Vec<Package>,
    pub(crate) workspace_root: PathBuf,
    pub(crate) target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    #[serde(default, rename = "required-features")]
    required_features: Vec<String>,
}

/// One line of cargo's JSON messages; lines of other shapes are not ours.
#[derive(Deserialize)]
struct Artifact {
    target: Target,
    executable: Option<PathBuf>,
}

impl Target {
    fn is(&self, kind: &str, name: &str) -> bool {
        self.name == name && self.kind.iter().any(|own| own == kind)
    }
}

impl Workspace {
    pub(crate) async fn at(directory: &Path) -> Result<Self, BuildError> {
        let mut cargo = cargo(directory, "metadata");
        cargo.args(["--no-deps", "--format-version=1"]);
        let metadata = output(cargo).await?;
        json(&metadata.stdout).ok_or_else(|| BuildError::NoWorkspace(directory.to_owned()))
    }

    /// Where its packages are.
    pub(crate) fn directories(&self) -> Vec<PathBuf> {
        let manifests = self.packages.iter().map(|package| &package.manifest_path);
        manifests.filter_map(|path| Some(path.parent()?.to_owned())).collect()
    }

    fn has(&self, name: &str) -> bool {
        self.packages.iter().any(|package| package.name == name)
    }

    fn has_example(&self, example: &Example) -> bool {
        let mut packages = self.packages.iter().filter(|package| package.name == example.package);
        packages.any(|package| package.targets.iter().any(|target| target.is("example", example.name)))
    }

    fn packages_of<'a>(&'a self, binaries: &'a [String]) -> Result<Vec<(&'a str, &'a Package)>, BuildError> {
        let package = |binary: &'a String| {
            let builds = |package: &&Package| package.binaries().any(|name| name == binary);
            let package = self.packages.iter().find(builds);
            package
                .map(|package| (binary.as_str(), package))
                .ok_or_else(|| self.missing(binary))
        };
        binaries.iter().map(package).collect()
    }

    fn missing(&self, binary: &str) -> BuildError {
        let own = env!("CARGO_PKG_NAME");
        let mut there: Vec<_> = self.packages.iter().flat_map(Package::binaries).collect();
        there.retain(|name| *name != own);
        BuildError::Missing {
            binary: binary.to_owned(),
            workspace: self.workspace_root.clone(),
            there: there.into_iter().map(str::to_owned).collect(),
        }
    }
}

impl Package {
    fn binaries(&self) -> impl Iterator<Item = &str> {
        let binaries = self.targets.iter();
        binaries
            .filter(|target| target.kind.iter().any(|kind| kind == "bin"))
            .map(|target| target.name.as_str())
    }

    /// The arguments that make cargo build this binary.
    fn selection(&self, binary: &str) -> Vec<String> {
        let mut arguments = ["--package", &self.name, "--bin", binary].map(str::to_owned).to_vec();
        for feature in self.required_features(binary) {
            arguments.extend(["--features".to_owned(), format!("{}/{feature}", self.name)]);
        }
        arguments
    }

    /// The features without which cargo does not build this binary.
    fn required_features(&self, binary: &str) -> &[String] {
        let target = self.targets.iter().find(|target| target.is("bin", binary));
        target.map_or(&[], |target| &target.required_features)
    }
}

fn json<T: DeserializeOwned>(text: &[u8]) -> Option<T> {
    serde_json::from_slice(text).ok()
}
