//! The cache of programs, built once per recipe: what a cluster is made of, and what checks charts.
//!
//! No registry offers Kubernetes as binaries to every machine, but the Go module proxy offers its
//! sources. Each program appears in the cache at once and whole, so an interrupted build goes on
//! where it was.

use crate::{
    Error, Progress, Result, command,
    error::file,
    layout::RUN,
    recipe::{Program, Recipe},
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// For one program on a busy machine; 3.5 minutes on two idle cores is the longest.
const BUILD: Duration = Duration::from_secs(30 * 60);

/// A file in the cache of a recipe; its time tells when that was used.
const USED: &str = "used";
/// Longer than anybody works on two branches with different recipes.
const UNUSED: Duration = Duration::from_secs(14 * 24 * 3600);

/// What one recipe has made.
pub(crate) struct Binaries {
    recipe: &'static Recipe,
    directory: PathBuf,
}

impl Binaries {
    /// The cache of a recipe, if everything in it is there.
    pub(crate) fn built(recipe: &'static Recipe) -> Result<Option<Binaries>> {
        let binaries = Binaries { recipe, directory: cache()?.join(recipe.key()) };
        let all = recipe.programs.iter().all(|program| binaries.program(program.name).is_file());
        Ok(all.then_some(binaries))
    }

    /// The cache of a recipe; what is missing is built first.
    pub(crate) fn obtain(recipe: &'static Recipe, progress: &Progress) -> Result<Binaries> {
        let binaries = Binaries { recipe, directory: cache()?.join(recipe.key()) };
        binaries.keep_used()?;
        let is_missing = |program: &&Program| !binaries.program(program.name).is_file();
        let missing: Vec<&Program> = recipe.programs.iter().filter(is_missing).collect();
        if missing.is_empty() {
            return Ok(binaries);
        }
        let go = go_version()?;
        progress.say(&format!(
            "building {} programs with {go} into {}; about {} on 2 cores, once",
            missing.len(),
            binaries.directory.display(),
            recipe.takes
        ));
        for (path, text) in recipe.files() {
            let path = binaries.directory.join("src").join(path);
            make_directory(path.parent().unwrap_or(&path))?;
            fs::write(&path, text).map_err(file("write", &path))?;
        }
        make_directory(&binaries.bin())?;
        for (number, program) in missing.iter().enumerate() {
            let started = Instant::now();
            binaries.build(program)?;
            progress.say(&format!(
                "built {} in {:.0} s ({} of {})",
                program.name,
                started.elapsed().as_secs_f64(),
                number + 1,
                missing.len()
            ));
        }
        Ok(binaries)
    }

    /// Where the programs are.
    pub(crate) fn bin(&self) -> PathBuf {
        self.directory.join("bin")
    }

    /// One program.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin().join(name)
    }

    /// Everything that the recipe has made.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The sources of a module, for `go` to run in.
    pub(crate) fn sources(&self, module: &str) -> PathBuf {
        self.directory.join("src").join(module)
    }

    /// Where images made of these programs are kept.
    pub(crate) fn images(&self) -> PathBuf {
        self.directory.join("images")
    }

    /// Removes recipes that nobody has used for long, each a gigabyte.
    fn keep_used(&self) -> Result<()> {
        make_directory(&self.directory)?;
        let used = self.directory.join(USED);
        fs::write(&used, "").map_err(file("write", used))?;
        let all = self.directory.parent().map(fs::read_dir);
        for entry in all.into_iter().flatten().flatten().flatten() {
            let used = fs::metadata(entry.path().join(USED)).and_then(|used| used.modified());
            if used.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > UNUSED)) {
                fs::remove_dir_all(entry.path()).map_err(file("remove", entry.path()))?;
            }
        }
        Ok(())
    }

    fn build(&self, program: &Program) -> Result<()> {
        let unfinished = self.bin().join(format!(".{}.unfinished", program.name));
        let mut command = Command::new("go");
        command.args(["build", "-trimpath", "-ldflags", &self.recipe.linker_flags(), "-o"]);
        command.arg(&unfinished).arg(program.package);
        command.current_dir(self.sources(program.module));
        // What is built is decided by the recipe alone, whatever the caller's Go is told to do.
        command.envs([("CGO_ENABLED", "0"), ("GOFLAGS", "-buildvcs=false"), ("GOWORK", "off")]);
        command::output(&mut command, BUILD)?;
        let path = self.program(program.name);
        fs::rename(&unfinished, &path).map_err(file("finish", &path))
    }
}

/// One start or end of a cluster at a time; released when dropped.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held, not used")] File);

/// Waits for others who start, build or end a cluster, with whatever cache.
pub(crate) fn lock(progress: &Progress) -> Result<Lock> {
    // The directory that the cluster's own is in: a lock on it leaves nothing behind.
    let path = Path::new(RUN).parent().unwrap_or(Path::new("/"));
    let lock = File::open(path).map_err(file("open", path))?;
    if lock.try_lock().is_err() {
        progress.say("somebody else starts or ends the cluster: waiting for them");
        lock.lock().map_err(file("lock", path))?;
    }
    Ok(Lock(lock))
}

/// Makes a directory and its parents.
pub(crate) fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(file("make", path))
}

fn cache() -> Result<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let directory = of("EGRET_E2E_CACHE")
        .or_else(|| of("XDG_CACHE_HOME").map(|cache| cache.join("egret-e2e")))
        .or_else(|| of("HOME").map(|home| home.join(".cache/egret-e2e")));
    let Some(directory) = directory else {
        return Err(Error::Host("neither HOME nor EGRET_E2E_CACHE is set".into()));
    };
    // Each machine of the cluster has a /var and a /run of its own and would not see it there.
    if directory.starts_with("/var") || directory.starts_with("/run") {
        let directory = directory.display();
        let why = format!("the cache {directory} is below /var or /run: set EGRET_E2E_CACHE");
        return Err(Error::Host(why));
    }
    Ok(directory)
}

fn go_version() -> Result<String> {
    let answer =
        command::output(&mut command::program("go", &["env", "GOVERSION"]), command::QUICK);
    let version = answer.map_err(|error| {
        Error::Host(format!("Go 1.26 or later builds this from sources: {error}"))
    })?;
    Ok(version.trim().to_owned())
}
