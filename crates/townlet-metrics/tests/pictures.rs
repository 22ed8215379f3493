//! Pictures and reports show what they are given, and nothing of it as markup.

mod support;

use support::{episode, evaluation, update};
use townlet_metrics::plot::{
    Deaths, Group, HeatMap, Over, Series, deaths_by_cause, learning_curves, loss, visit_heat_map,
};
use townlet_metrics::{
    EvaluationLine, EvaluationRow, HeatCell, Plot, Position, Report, ReportRun, RunData, figures, html,
};

const NASTY: &str = "<script>alert(\"1\")</script> & 'co' \u{1}\u{1b}[31m\u{202e}\u{ffff}";
/// What of it no page and no picture may hold.
const HARMFUL: [char; 4] = ['\u{1}', '\u{1b}', '\u{202e}', '\u{ffff}'];

fn run(name: &str, episodes: u64, updates: u64) -> RunData {
    RunData {
        name: name.to_owned(),
        group: None,
        episodes: (0..episodes).map(|number| episode(number, number * 100).row).collect(),
        updates: (1..=updates).map(|number| update(number, number * 130)).collect(),
        evaluations: (0..20)
            .map(|number| evaluation(Position { steps: number * 10_000, ..Position::default() }))
            .collect(),
        heat: (0..64)
            .map(|cell| HeatCell { x: cell % 8, y: cell / 8, visit_count: cell, novelty_value: None })
            .collect(),
        heat_of: "all episodes".to_owned(),
        grid: Some((8, 8)),
    }
}

fn names(plots: &[Plot]) -> Vec<&str> {
    plots.iter().map(Plot::name).collect()
}

#[test]
fn there_is_a_picture_for_everything_that_was_measured() {
    let plots = figures(&[run("a", 500, 400), run("b", 300, 200)]).unwrap();
    assert_eq!(
        names(&plots),
        [
            "learning-curve-steps",
            "learning-curve-time",
            "training-survival",
            "loss",
            "epsilon",
            "value-against-return",
            "deaths-a",
            "deaths-b",
            "heat-map-a",
            "heat-map-b",
        ]
    );
    for plot in &plots {
        assert!(
            plot.inline_svg().contains(">\na\n<")
                || plot.inline_svg().contains(", a")
                || plot.name().ends_with('b'),
            "{}",
            plot.name()
        );
    }
    let updates_only = RunData { updates: run("a", 0, 9).updates, ..RunData::default() };
    assert_eq!(names(&figures(&[updates_only]).unwrap()), ["loss", "epsilon", "value-against-return"]);
    assert_eq!(figures(&[RunData::default()]).unwrap(), []);
    assert_eq!(figures(&[]).unwrap(), []);
}

#[test]
fn every_picture_can_be_turned_into_pixels_whatever_runs_are_called() {
    for plot in figures(&[run(NASTY, 500, 400)]).unwrap() {
        let png = plot.png(600).unwrap();
        assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n", "{}", plot.name());
        assert_eq!(png[16..20], 600_u32.to_be_bytes());
        assert!(!plot.svg().contains("<script") && !plot.svg().contains(HARMFUL), "{}", plot.name());
        assert!(
            plot.name().chars().all(|letter| letter.is_alphanumeric() || letter == '-'),
            "{}",
            plot.name()
        );
    }
    let plot = &figures(&[run("a", 5, 5)]).unwrap()[0];
    assert!(plot.png(0).unwrap_err().to_string().contains("100 to 10000"));
}

#[test]
fn pictures_have_no_width_of_their_own_and_are_the_same_every_time() {
    let plots = figures(&[run("a", 50, 40)]).unwrap();
    for plot in &plots {
        for svg in [plot.svg(), plot.inline_svg()] {
            let first = svg.split_once('>').unwrap().0;
            assert!(first.contains("viewBox=") && !first.contains("width="), "{first}");
        }
    }
    assert_eq!(figures(&[run("a", 50, 40)]).unwrap(), plots);
}

#[test]
fn several_runs_of_a_group_are_a_mean_with_an_interval() {
    let series = |shift: f64| Series {
        name: "run".to_owned(),
        points: (0..10).map(|i| (f64::from(i), f64::from(i) + shift)).collect(),
    };
    let one = [Group { name: "alone".to_owned(), runs: vec![series(0.0)] }];
    let several = [Group { name: "seeds".to_owned(), runs: vec![series(0.0), series(1.0), series(5.0)] }];
    let one = learning_curves(&one, Over::Steps).unwrap().unwrap();
    let several = learning_curves(&several, Over::Steps).unwrap().unwrap();
    assert!(!one.svg().contains("<polygon") && !one.description().contains("interval"));
    assert!(several.svg().contains("<polygon") && several.description().contains("95 % interval"));
    assert!(several.svg().contains("seeds (mean of 3)"));
}

#[test]
fn values_stand_beside_returns_in_the_same_unit() {
    let mut data = run("a", 0, 40);
    data.updates.iter_mut().for_each(|row| row.mean_q = 2.0);
    data.episodes = (0..40).map(|number| episode(number, number * 100).row).collect();
    data.episodes.iter_mut().for_each(|row| row.total_reward = 200.0);
    let heights = |data: RunData| {
        let plots = figures(&[data]).unwrap();
        let plot = plots.iter().find(|plot| plot.name() == "value-against-return").unwrap();
        let lines = plot.svg();
        let lines = lines.split("<polyline").skip(1).filter(|line| line.contains("stroke-width=\"8\""));
        let height = |line: &str| {
            let points = line.split_once("points=\"").unwrap().1;
            points.split([' ', ',']).nth(1).unwrap().trim_end_matches('"').to_owned()
        };
        lines.map(height).collect::<Vec<String>>()
    };
    let scaled = heights(data.clone());
    assert_eq!(scaled.len(), 2, "{scaled:?}");
    assert_ne!(scaled[0], scaled[1]);
    let unscaled = heights(data.with_values(|value| value / 0.01));
    assert_eq!(unscaled[0], unscaled[1], "a value of 2 at a scale of 0.01 is a return of 200");
}

#[test]
fn training_time_is_told_in_a_unit_that_fits() {
    let measure = |seconds: f64| {
        let runs = vec![Series { name: String::new(), points: vec![(0.0, 1.0), (seconds, 2.0)] }];
        let groups = [Group { name: String::new(), runs }];
        learning_curves(&groups, Over::TrainingSeconds).unwrap().unwrap().svg()
    };
    assert!(measure(90.0).contains("training time (seconds)"));
    assert!(measure(900.0).contains("training time (minutes)"));
    assert!(measure(90_000.0).contains("training time (hours)"));
}

#[test]
fn a_loss_that_falls_by_much_is_drawn_on_a_logarithmic_axis() {
    let series =
        |last: f64| [Series { name: "a".to_owned(), points: vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, last)] }];
    assert!(loss(&series(0.001)).unwrap().unwrap().svg().contains("loss, logarithmic"));
    assert!(!loss(&series(0.5)).unwrap().unwrap().svg().contains("logarithmic"));
    assert!(!loss(&series(0.0)).unwrap().unwrap().svg().contains("logarithmic"));
}

#[test]
fn deaths_are_one_area_for_each_cause() {
    let episodes: Vec<_> =
        (0..100).map(|i| (i * 10, ["", "energy", "health"][i as usize % 3].to_owned())).collect();
    let plot = deaths_by_cause(&Deaths { run: "a".to_owned(), episodes }).unwrap().unwrap();
    assert_eq!(plot.svg().matches("<polygon").count(), 3);
    for text in ["energy (33)", "health (33)", "lived to the limit (34)"] {
        assert!(plot.svg().contains(text), "{text}");
    }
    assert_eq!(deaths_by_cause(&Deaths::default()).unwrap(), None);
}

#[test]
fn a_heat_map_shows_shares_and_refuses_a_grid_that_is_too_large() {
    let cell = |x, visit_count| HeatCell { x, y: 0, visit_count, novelty_value: None };
    let map = HeatMap { cells: vec![cell(0, 30), cell(2, 10)], size: Some((3, 2)), ..HeatMap::default() };
    let svg = visit_heat_map(&map).unwrap().unwrap().svg();
    assert!(svg.contains(">\n75\n<") && svg.contains(">\n25\n<"), "{svg}");
    let far = HeatMap { cells: vec![cell(1_000_000, 1)], ..HeatMap::default() };
    assert!(visit_heat_map(&far).unwrap_err().to_string().contains("at most 128"));
    assert_eq!(visit_heat_map(&HeatMap { cells: vec![cell(0, 0)], ..HeatMap::default() }).unwrap(), None);
}

fn report(runs: &[RunData]) -> Report {
    let reported = |run: &RunData| ReportRun {
        name: run.name.clone(),
        facts: vec![("level".to_owned(), "pomdp".to_owned()), (NASTY.to_owned(), NASTY.to_owned())],
        settings: format!("seed = {}\ndiscount = 0.99\n# {NASTY}\n", run.episodes.len()).replace(HARMFUL, ""),
        provenance: vec![("version".to_owned(), "0.1.0".to_owned())],
    };
    Report {
        title: NASTY.to_owned(),
        subtitle: NASTY.to_owned(),
        runs: runs.iter().map(reported).collect(),
        evaluations: runs
            .iter()
            .map(|run| EvaluationLine::during_training(&run.name, run.evaluations.last().unwrap()))
            .collect(),
        plots: figures(runs).unwrap(),
    }
}

#[test]
fn a_report_needs_nothing_but_itself_and_escapes_what_it_is_given() {
    let page = html(&report(&[run(NASTY, 50, 40), run("b", 30, 20)])).unwrap();
    assert!(page.contains("default-src 'none'; style-src 'unsafe-inline'; img-src data:"));
    for forbidden in ["<script", "http:", "https:", "src=", "href=", "@import", "url(", "onload", "style=\""]
    {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(!page.contains(HARMFUL));
    assert_eq!(page.matches("<svg ").count(), 10);
    assert!(page.contains("prefers-color-scheme: dark"));
}

#[test]
fn a_report_shows_where_settings_differ() {
    let page = html(&report(&[run("a", 50, 40), run("b", 30, 20)])).unwrap();
    let (_, differences) = page.split_once("Where the runs differ").unwrap();
    let (differences, _) = differences.split_once("</table>").unwrap();
    assert!(differences.contains(">seed<") && differences.contains(">50<") && differences.contains(">30<"));
    assert!(!differences.contains("discount"));
    let page = html(&report(&[run("a", 50, 40), run("b", 50, 40)])).unwrap();
    assert!(page.contains("The runs have the same settings."));
    let page = html(&report(&[run("a", 50, 40)])).unwrap();
    assert!(!page.contains("Where the runs differ") && !page.contains("The runs have the same settings."));
}

#[test]
fn a_report_on_two_long_runs_is_small() {
    let page = html(&report(&[run("a", 20_000, 15_000), run("b", 20_000, 15_000)])).unwrap();
    assert!(page.len() < 500_000, "{} bytes", page.len());
}

#[test]
fn numbers_that_are_not_known_are_dashes_in_a_report() {
    let row =
        EvaluationRow { survival_standard_error: f64::NAN, steps: 1_234_567, ..EvaluationRow::default() };
    let evaluations = vec![EvaluationLine::during_training("a", &row)];
    let page = html(&Report { evaluations, ..Report::default() }).unwrap();
    assert!(page.contains("greedy, after 1,234,567 steps") && page.contains("<td class=\"number\">–</td>"));
    assert!(!page.contains("NaN"));
}
