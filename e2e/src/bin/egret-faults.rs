//! `egret-faults`: inflicts every fault on a topology under load, and writes down what came of it.

use clap::Parser;
use egret_e2e::{
    Cluster, Error, Result,
    resilience::{FAULTS, Fault, Outcome, inflict},
};
use std::{
    fmt::Write,
    fs,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

/// What is between these lines of the page is written by this program.
const BEGIN: &str = "<!-- written by egret-faults -->";
const END: &str = "<!-- end -->";

/// Inflict every fault on a topology under load, on a cluster that runs.
#[derive(Parser)]
#[command(name = "egret-faults")]
struct Arguments {
    /// Also those that take minutes.
    #[arg(long)]
    long: bool,

    /// Only faults whose words contain this.
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,

    /// Inflict them again and again, in any order, for so many minutes.
    #[arg(long, value_name = "MINUTES")]
    soak: Option<u64>,

    /// What the order of a soak follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Write what came of it to this page, between its marks.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything was in time.
fn run(arguments: &Arguments) -> Result<bool> {
    let wanted = |fault: &Fault| {
        let named = arguments.only.as_ref().is_none_or(|words| fault.what.contains(words));
        named && (arguments.long || !fault.long)
    };
    let faults: Vec<Fault> = FAULTS.into_iter().filter(wanted).collect();
    let cluster = Cluster::connect()?;
    let (mut outcomes, mut good) = (Vec::new(), true);
    let until = arguments.soak.map(|minutes| Instant::now() + Duration::from_secs(minutes * 60));
    let order = Order { faults, next: 0, seed: arguments.seed, until };
    if until.is_some() {
        println!("seed {}", arguments.seed);
    }
    let account = inflict(&cluster, order, |outcome| {
        println!("{}", row(outcome));
        good &= outcome.back <= outcome.fault.within;
        outcomes.push(*outcome);
    })?;
    let lines = format!(
        "{} lines were written meanwhile; each has arrived, {} arrivals were second ones.",
        account.lines, account.twice
    );
    println!("{lines}");
    if let Some(page) = &arguments.page {
        let failed = |action| {
            let path = page.clone();
            move |source| Error::File { action, path, source }
        };
        let text = fs::read_to_string(page).map_err(failed("read"))?;
        let text = rewritten(&text, &table(&outcomes, &lines)).ok_or_else(|| {
            failed("find the marks of")(std::io::Error::from(std::io::ErrorKind::InvalidData))
        })?;
        fs::write(page, text).map_err(failed("write"))?;
    }
    Ok(good)
}

/// Each fault once, or all of them again and again until it is time.
struct Order {
    faults: Vec<Fault>,
    next: usize,
    seed: u64,
    until: Option<Instant>,
}

impl Iterator for Order {
    type Item = Fault;

    fn next(&mut self) -> Option<Fault> {
        let Some(until) = self.until else {
            self.next += 1;
            return self.faults.get(self.next - 1).copied();
        };
        // Knuth's MMIX generator; its upper bits are the better ones.
        const FACTOR: u64 = 6_364_136_223_846_793_005;
        self.seed = self.seed.wrapping_mul(FACTOR).wrapping_add(1_442_695_040_888_963_407);
        let at = (self.seed >> 33) as usize % self.faults.len().max(1);
        (Instant::now() < until).then(|| self.faults.get(at).copied()).flatten()
    }
}

fn table(outcomes: &[Outcome], lines: &str) -> String {
    let mut table = "\
| fault | everything flows again within | measured | lines twice | memory of a pod |\n\
| --- | --- | --- | --- | --- |\n"
        .to_owned();
    for outcome in outcomes {
        let _ = writeln!(table, "{}", row(outcome));
    }
    format!("{table}\n{lines}\n")
}

fn row(outcome: &Outcome) -> String {
    let Outcome { fault, back, twice, memory } = outcome;
    let back = match back.is_zero() {
        true => "nothing was late".to_owned(),
        false => format!("{:.1} s", back.as_secs_f64()),
    };
    let (within, memory) = (fault.within.as_secs(), memory / 1_000_000);
    format!("| {} | {within} s | {back} | {twice} | {memory} MB |", fault.what)
}

/// The page with another table between its marks.
fn rewritten(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_written() {
        let page = format!("# A\n\n{BEGIN}\nold\n{END}\n\nmore\n");
        let written = rewritten(&page, "new\n").unwrap();
        assert_eq!(written, format!("# A\n\n{BEGIN}\nnew\n{END}\n\nmore\n"));
        assert_eq!(rewritten("# A\n", "new\n"), None);
    }
}
