//! A plot as SVG: lines over steps of equal width, readable in light and dark.

use std::fmt::Write;

/// A line: a value for each step.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) values: Vec<f64>,
}

/// What is plotted.
pub(crate) struct Plot {
    pub(crate) title: &'static str,
    pub(crate) x_label: &'static str,
    pub(crate) y_label: &'static str,
    /// The text below each step.
    pub(crate) steps: Vec<String>,
    pub(crate) lines: Vec<Line>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 700.0;
const TOP: f64 = 80.0;
const BOTTOM: f64 = 340.0;

/// Legible on a light and on a dark ground, also for those who can't tell red from green.
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

const STYLE: &str = "\
<style>
  text { font: 13px sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: bold }
  .ground { fill: #ffffff }
  .grid { stroke: #d1d9e0; stroke-width: 1 }
  .line { fill: none; stroke-width: 2.5 }
  @media (prefers-color-scheme: dark) { text { fill: #f0f6fc } .ground { fill: #0d1117 } .grid { stroke: #3d444d } }
</style>
";

/// The vertical axis: from zero or, if the values differ more than tenfold, by powers of ten.
struct Axis {
    is_log: bool,
    ticks: Vec<f64>,
}

impl Plot {
    pub(crate) fn svg(&self) -> String {
        let axis = Axis::of(self.lines.iter().flat_map(|line| &line.values).copied());
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n{STYLE}",
            escaped(self.title)
        );
        svg += &format!("<rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n");
        svg += &text((LEFT, 28.0), "start", "title", self.title);
        let scale = if axis.is_log { ", log scale" } else { "" };
        svg += &text((LEFT, TOP - 12.0), "start", "", &format!("{}{scale}", self.y_label));
        svg += &text(((LEFT + RIGHT) / 2.0, HEIGHT - 12.0), "middle", "", self.x_label);
        for tick in &axis.ticks {
            let y = axis.y(*tick);
            svg += &format!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>\n");
            svg += &text((LEFT - 8.0, y + 4.0), "end", "", &number(*tick));
        }
        for (step, label) in self.steps.iter().enumerate() {
            svg += &text((self.x(step), BOTTOM + 22.0), "middle", "", label);
        }
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            svg += &self.line(line, colour, &axis);
        }
        svg + &self.legend() + "</svg>\n"
    }

    fn x(&self, step: usize) -> f64 {
        let inset = 30.0;
        LEFT + inset + (RIGHT - LEFT - 2.0 * inset) * step as f64 / (self.steps.len().max(2) - 1) as f64
    }

    fn line(&self, line: &Line, colour: &str, axis: &Axis) -> String {
        let (mut path, mut dots) = (String::new(), String::new());
        for (step, value) in line.values.iter().enumerate() {
            let (x, y) = (self.x(step), axis.y(*value));
            let command = if step == 0 { 'M' } else { 'L' };
            // Writing to a string does not fail.
            let _ = write!(path, "{command}{x:.1} {y:.1}");
            let _ = write!(dots, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>");
        }
        format!("<path class=\"line\" stroke=\"{colour}\" d=\"{path}\"/>{dots}\n")
    }

    fn legend(&self) -> String {
        let width = (RIGHT - LEFT) / self.lines.len().max(1) as f64;
        let entries = self.lines.iter().zip(COLOURS.iter().cycle()).enumerate();
        let entry = |(place, (line, colour)): (usize, (&Line, &&str))| {
            let x = LEFT + width * place as f64;
            let square = format!("<rect x=\"{x:.1}\" y=\"38\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\n");
            square + &text((x + 18.0, 49.0), "start", "", &line.name)
        };
        entries.map(entry).collect()
    }
}

impl Axis {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let highest = values.clone().fold(f64::MIN_POSITIVE, f64::max);
        let lowest = values.fold(highest, f64::min).max(highest * 1e-9);
        let is_log = highest / lowest > 10.0;
        let ticks = match is_log {
            true => (lowest.log10().floor() as i32..=highest.log10().ceil() as i32)
                .map(|power| 10_f64.powi(power))
                .collect(),
            false => {
                let step = nice(highest / 5.0);
                (0..=(highest / step).ceil() as u32)
                    .map(|tick| f64::from(tick) * step)
                    .collect()
            }
        };
        Self { is_log, ticks }
    }

    fn y(&self, value: f64) -> f64 {
        let (first, last) = (
            self.ticks.first().copied().unwrap_or(0.0),
            self.ticks.last().copied().unwrap_or(1.0),
        );
        let share = match self.is_log {
            true => (value.max(first) / first).log10() / (last / first).log10(),
            false => value / last,
        };
        BOTTOM - (BOTTOM - TOP) * share
    }
}

/// The next of 1, 2, 5, 10, 20, and so on.
fn nice(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let candidates = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    candidates.into_iter().find(|nice| *nice >= step).unwrap_or(step)
}

fn number(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value < 1.0 => format!("{value:.3}").trim_end_matches('0').to_owned(),
        value => format!("{value}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn text((x, y): (f64, f64), anchor: &str, class: &str, text: &str) -> String {
    let text = escaped(text);
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{text}</text>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_close_begin_at_zero() {
        let axis = Axis::of([40.0, 90.0].into_iter());
        assert!(!axis.is_log);
        assert_eq!(axis.ticks, [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(
            (axis.y(0.0), axis.y(100.0), axis.y(50.0)),
            (BOTTOM, TOP, (BOTTOM + TOP) / 2.0)
        );
    }

    #[test]
    fn values_that_differ_tenfold_are_on_a_log_scale() {
        let axis = Axis::of([0.3, 40.0].into_iter());
        assert!(axis.is_log);
        assert_eq!(axis.ticks, [0.1, 1.0, 10.0, 100.0]);
        assert!((axis.y(1.0) - (BOTTOM - (BOTTOM - TOP) / 3.0)).abs() < 0.001);
    }

    #[test]
    fn a_plot_has_its_lines_steps_and_labels() {
        let plot = Plot {
            title: "cost < 1",
            x_label: "messages in a batch",
            y_label: "µs of CPU",
            steps: ["1", "10"].map(str::to_owned).to_vec(),
            lines: vec![Line {
                name: "fresh".to_owned(),
                values: vec![50.0, 100.0],
            }],
        };
        let svg = plot.svg();
        for part in [
            "cost &lt; 1",
            ">messages in a batch<",
            ">µs of CPU<",
            ">10<",
            ">fresh<",
            "d=\"M110.0 210.0L670.0 80.0\"",
        ] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
    }
}
