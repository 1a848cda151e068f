//! Nothing is wrong, and that costs next to nothing: 1,000 checks and 100 jobs.

use std::fmt::Write as _;
use std::time::Duration;

use crate::checks::{configured, per_cpu_second};
use crate::clients::Target;
use crate::serve::Serve;
use crate::{Failure, Figure};

/// More than a whole interval of the checks.
const SETTLE: Duration = Duration::from_secs(45);

pub(crate) fn run() -> Result<Vec<Figure>, Failure> {
    let target = Target::start()?;
    let mut config = configured(target.port, 1000, 30);
    for number in 0..100 {
        let _ = writeln!(
            config,
            "[[job]]\nid = \"j{number}\"\ncommand = [\"true\"]\nschedule = \"{} 3 29 2 *\"",
            number % 60
        );
    }
    let serve = Serve::start(&config)?;
    let seen = per_cpu_second(&target, SETTLE, || serve.cpu())?;
    let pct = 100.0 * seen.cpu_s / seen.lasted_s;
    let mib = serve.memory()? as f64 / (1024.0 * 1024.0);
    let how = format!(
        "1,000 HTTP checks every 30 s ({:.1} arrive each second, 33.3 are due) and 100 jobs that are not \
         due, over {:.0} s.",
        seen.checks_per_s, seen.lasted_s
    );
    Ok(vec![
        Figure {
            name: "idle_cpu_pct".into(),
            ours: pct,
            peer: "of one core".into(),
            theirs: None,
            ratio: None,
            aim: "< 1",
            reached: pct < 1.0,
            how: how.clone(),
        },
        Figure {
            name: "idle_mib".into(),
            ours: mib,
            peer: "in RAM".into(),
            theirs: None,
            ratio: None,
            aim: "< 40",
            reached: mib < 40.0,
            how,
        },
    ])
}
