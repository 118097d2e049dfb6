//! Answers: how does a table of numbers by size look, as SVG.
//!
//! Lines over a logarithmic x axis, with a legend at the right. It must not know what is drawn.

use std::fmt::{self, Write as _};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 250.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 52.0;
/// Told apart also by those who do not see all colours (Okabe and Ito).
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];

/// One line.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) dashed: bool,
}

/// A drawing.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) log_y: bool,
    /// A value that is drawn across, such as "as fast as".
    pub(crate) level: Option<f64>,
    pub(crate) lines: Vec<Line>,
}

/// Values to pixels.
struct Axis {
    low: f64,
    high: f64,
    log: bool,
    from: f64,
    to: f64,
}

impl Axis {
    fn at(&self, value: f64) -> f64 {
        let scale = |value: f64| if self.log { value.ln() } else { value };
        let share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low));
        self.from + share * (self.to - self.from)
    }

    /// Values that get a mark: powers and, where there are few of them, what lies between.
    fn marks(&self, base: f64) -> Vec<f64> {
        if !self.log {
            let step = nice(self.high / 5.0);
            return (0..=6)
                .map(|n| f64::from(n) * step)
                .filter(|v| *v <= self.high)
                .collect();
        }
        let first = (self.low.ln() / base.ln()).floor();
        let powers = (0..40).map(|n| base.powf(first + f64::from(n)));
        powers
            .filter(|v| *v >= self.low * 0.999 && *v <= self.high * 1.001)
            .collect()
    }
}

/// 1, 2 or 5 times a power of ten, not below `value`.
fn nice(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps
        .into_iter()
        .find(|step| *step >= value)
        .unwrap_or(power)
}

fn label(value: f64) -> String {
    if value >= 1_048_576.0 && value % 1_048_576.0 == 0.0 {
        format!("{} Mi", value / 1_048_576.0)
    } else if value >= 1024.0 && value % 1024.0 == 0.0 {
        format!("{} Ki", value / 1024.0)
    } else if value >= 1000.0 && value % 1000.0 == 0.0 {
        format!("{},000", value / 1000.0)
    } else {
        format!("{value}")
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

impl Chart {
    fn axes(&self) -> (Axis, Axis) {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let least = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::MAX, f64::min);
        let most = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::MIN, f64::max);
        let level = self.level;
        let x = Axis {
            low: least(&mut points().map(|point| point.0)),
            high: most(&mut points().map(|point| point.0)),
            log: true,
            from: LEFT,
            to: WIDTH - RIGHT,
        };
        let high = most(&mut points().map(|point| point.1).chain(level)) * 1.15;
        let low = least(&mut points().map(|point| point.1).chain(level)) / 1.15;
        let y = Axis {
            low: if self.log_y { low } else { 0.0 },
            high,
            log: self.log_y,
            from: HEIGHT - BOTTOM,
            to: TOP,
        };
        (x, y)
    }

    /// The drawing.
    pub(crate) fn svg(&self) -> Result<String, fmt::Error> {
        let (x, y) = self.axes();
        let mut out = String::new();
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
             <text x=\"{LEFT}\" y=\"24\" font-size=\"15\" font-weight=\"600\">{}</text>",
            escape(&self.title)
        )?;
        self.grid(&mut out, &x, &y)?;
        for (index, line) in self.lines.iter().enumerate() {
            Self::line(&mut out, (&x, &y), index, line)?;
        }
        out.push_str("</svg>\n");
        Ok(out)
    }

    fn grid(&self, out: &mut String, x: &Axis, y: &Axis) -> fmt::Result {
        let (right, bottom) = (x.to, y.from);
        let base = if x.high > 20_000.0 && x.low >= 32.0 {
            4.0
        } else {
            10.0
        };
        for value in x.marks(base) {
            let at = x.at(value);
            writeln!(
                out,
                "<path d=\"M{at:.1} {TOP}V{bottom}\" stroke=\"#e4e4e4\"/>\
                 <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                bottom + 18.0,
                label(value)
            )?;
        }
        for value in y.marks(2.0) {
            let at = y.at(value);
            writeln!(
                out,
                "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#e4e4e4\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                at + 4.0,
                label((value * 1000.0).round() / 1000.0)
            )?;
        }
        if let Some(level) = self.level {
            let at = y.at(level);
            writeln!(
                out,
                "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#555\" stroke-width=\"1.5\"/>"
            )?;
        }
        let middle = f64::midpoint(TOP, bottom);
        writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
             <text transform=\"translate(18 {middle}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(LEFT, right),
            HEIGHT - 12.0,
            escape(&self.x),
            escape(&self.y)
        )
    }

    fn line(out: &mut String, (x, y): (&Axis, &Axis), index: usize, line: &Line) -> fmt::Result {
        let colour = COLOURS[index % COLOURS.len()];
        let dash = if line.dashed {
            " stroke-dasharray=\"6 4\""
        } else {
            ""
        };
        let mut path = String::new();
        for (value_x, value_y) in &line.points {
            let command = if path.is_empty() { 'M' } else { 'L' };
            let (at_x, at_y) = (x.at(*value_x), y.at(*value_y));
            write!(path, "{command}{at_x:.1} {at_y:.1}")?;
            writeln!(
                out,
                "<circle cx=\"{at_x:.1}\" cy=\"{at_y:.1}\" r=\"2.5\" fill=\"{colour}\"/>"
            )?;
        }
        writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>"
        )?;
        let at = TOP + 14.0 + 20.0 * f64::from(u32::try_from(index).unwrap_or(0));
        let from = x.to + 16.0;
        writeln!(
            out,
            "<path d=\"M{from} {at}h22\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>\
             <text x=\"{}\" y=\"{}\">{}</text>",
            from + 28.0,
            at + 4.0,
            escape(&line.name)
        )
    }
}
