//! Answers: how does a line plot look as inline SVG.
//!
//! Must not know what is plotted.

use std::fmt::Write as _;

/// How an axis maps values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly, from 0, a little beyond the largest value.
    Linear,
    /// Evenly, from 0 to exactly the largest value.
    Exact,
    /// Evenly, around the values: shows small changes of something large.
    Tight,
    /// By powers of ten.
    Log,
    /// Shares of 1 by their nines: 0, 0.9, 0.99, …
    Nines,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// In the legend.
    pub name: String,
    /// Classes of the page's style sheet: `c0` to `c5`, and `dashed`.
    pub class: &'static str,
    /// Its points, in order of x.
    pub points: Vec<(f64, f64)>,
}

/// A plot.
#[derive(Debug)]
pub struct Plot<'a> {
    /// Above it.
    pub title: &'a str,
    /// Below it.
    pub x_name: &'a str,
    /// Horizontal axis.
    pub x_scale: Scale,
    /// Vertical axis.
    pub y_scale: Scale,
    /// Shows a value at the horizontal axis.
    pub x_text: fn(f64) -> String,
    /// Shows a value at the vertical axis.
    pub y_text: fn(f64) -> String,
    /// The lines.
    pub lines: Vec<Line>,
    /// Stretches of x to shade, with a name each.
    pub bands: Vec<(f64, f64, String)>,
    /// Mark the points themselves.
    pub dots: bool,
    /// As wide as two plots and the gap between them.
    pub wide: bool,
}

const NARROW: f64 = 640.0;
const WIDE: f64 = 1326.0;
const HEIGHT: f64 = 310.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = 46.0;

struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
}

impl Axis {
    fn new(scale: Scale, values: impl Iterator<Item = f64> + Clone) -> Self {
        let positive = values.clone().filter(|v| *v > 0.0);
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(0.0, f64::max);
        match scale {
            Scale::Linear => Self {
                scale,
                low: 0.0,
                high: nice(most).max(1e-9),
            },
            Scale::Exact => Self {
                scale,
                low: 0.0,
                high: most.max(1e-9),
            },
            Scale::Tight => {
                let step = step((most - least).max(most / 50.0).max(1e-9));
                let low = (least / step).floor() * step;
                let high = (most / step * 0.9999).ceil() * step;
                Self {
                    scale,
                    low,
                    high: high.max(low + step),
                }
            }
            Scale::Log => {
                let least = positive.fold(f64::INFINITY, f64::min).min(most.max(1e-9));
                let low = 10f64.powf(least.log10().floor());
                let high = 10f64.powf(most.max(1e-9).log10().ceil());
                Self {
                    scale,
                    low,
                    high: if high > low { high } else { low * 10.0 },
                }
            }
            Scale::Nines => {
                let most = values_below_one(positive);
                Self {
                    scale,
                    low: 0.0,
                    high: nines(most).ceil().clamp(2.0, 7.0),
                }
            }
        }
    }

    /// Where a value lies, 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear | Scale::Exact | Scale::Tight => {
                (value - self.low) / (self.high - self.low)
            }
            Scale::Log => {
                let low = self.low.log10();
                (value.max(self.low).log10() - low) / (self.high.log10() - low)
            }
            Scale::Nines => nines(value) / self.high,
        };
        place.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear | Scale::Exact | Scale::Tight => {
                let step = step(self.high - self.low);
                let mut ticks = Vec::new();
                let mut value = self.low;
                while value <= self.high + step / 1e3 {
                    ticks.push(value);
                    value += step;
                }
                ticks
            }
            Scale::Log => {
                let (low, high) = (
                    self.low.log10().round() as i32,
                    self.high.log10().round() as i32,
                );
                (low..=high).map(|p| 10f64.powi(p)).collect()
            }
            Scale::Nines => (0..=self.high as i32)
                .map(|n| 1.0 - 10f64.powi(-n))
                .collect(),
        }
    }
}

fn values_below_one(values: impl Iterator<Item = f64>) -> f64 {
    values.filter(|v| *v < 1.0).fold(0.0, f64::max)
}

/// 0.9 is one nine, 0.99 two.
fn nines(share: f64) -> f64 {
    -(1.0 - share.min(1.0 - 1e-9)).log10()
}

fn step(most: f64) -> f64 {
    let rough = most / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .find(|f| f * power >= rough * 0.999);
    factor.unwrap_or(10.0) * power
}

fn nice(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let step = step(most);
    (most / step * 0.999).ceil() * step
}

impl Plot<'_> {
    /// Draws it; empty when there is nothing to draw.
    #[must_use]
    pub fn draw(&self) -> String {
        if !self.has_points() {
            return String::new();
        }
        let all = || self.lines.iter().flat_map(|l| &l.points);
        let x = Axis::new(self.x_scale, all().map(|p| p.0));
        let y = Axis::new(self.y_scale, all().map(|p| p.1));
        let width = self.width();
        let mut out = format!(
            "<svg viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\" aria-label=\"{0}\">\
             <text class=\"title\" x=\"{LEFT}\" y=\"18\">{0}</text>",
            escape(self.title)
        );
        self.draw_bands(&mut out, &x);
        self.draw_axes(&mut out, &x, &y);
        self.draw_lines(&mut out, &x, &y);
        self.draw_legend(&mut out);
        out += "</svg>";
        out
    }

    /// There is something to draw.
    #[must_use]
    pub fn has_points(&self) -> bool {
        self.lines.iter().any(|l| !l.points.is_empty())
    }

    fn width(&self) -> f64 {
        if self.wide { WIDE } else { NARROW }
    }

    fn across(&self, place: f64) -> f64 {
        LEFT + place * (self.width() - LEFT - RIGHT)
    }

    fn draw_bands(&self, out: &mut String, x: &Axis) {
        for (number, (from, to, name)) in self.bands.iter().enumerate() {
            let (left, right) = (self.across(x.place(*from)), self.across(x.place(*to)));
            if number % 2 == 1 {
                let (width, height) = ((right - left).max(0.0), HEIGHT - TOP - BOTTOM);
                let _ = write!(
                    out,
                    "<rect class=\"band\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"/>"
                );
            }
            // A name needs about six units a letter.
            if right - left > 6.0 * name.chars().count() as f64 {
                let _ = write!(
                    out,
                    "<text class=\"phase\" x=\"{:.1}\" y=\"{}\">{}</text>",
                    f64::midpoint(left, right),
                    TOP - 5.0,
                    escape(name)
                );
            }
        }
    }

    fn draw_axes(&self, out: &mut String, x: &Axis, y: &Axis) {
        for tick in y.ticks() {
            let at = down(y.place(tick));
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text class=\"tick\" text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{}</text>",
                self.width() - RIGHT,
                LEFT - 6.0,
                at + 4.0,
                escape(&(self.y_text)(tick))
            );
        }
        for tick in x.ticks() {
            let at = self.across(x.place(tick));
            let _ = write!(
                out,
                "<line class=\"grid\" y1=\"{TOP}\" y2=\"{0}\" x1=\"{at:.1}\" x2=\"{at:.1}\"/>\
                 <text class=\"tick\" text-anchor=\"middle\" x=\"{at:.1}\" y=\"{1}\">{2}</text>",
                HEIGHT - BOTTOM,
                HEIGHT - BOTTOM + 16.0,
                escape(&(self.x_text)(tick))
            );
        }
        let _ = write!(
            out,
            "<text class=\"tick\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text>",
            LEFT + (self.width() - LEFT - RIGHT) / 2.0,
            HEIGHT - 10.0,
            escape(self.x_name)
        );
    }

    fn draw_lines(&self, out: &mut String, x: &Axis, y: &Axis) {
        for line in &self.lines {
            let mut path = String::new();
            for (number, point) in line.points.iter().enumerate() {
                let (px, py) = (self.across(x.place(point.0)), down(y.place(point.1)));
                let _ = write!(
                    path,
                    "{}{px:.1} {py:.1}",
                    if number == 0 { 'M' } else { 'L' }
                );
                if self.dots {
                    let class = line.class;
                    let _ = write!(
                        out,
                        "<circle class=\"dot {class}\" cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"3.5\"/>"
                    );
                }
            }
            let _ = write!(out, "<path class=\"line {}\" d=\"{path}\"/>", line.class);
        }
    }

    fn draw_legend(&self, out: &mut String) {
        let mut at = LEFT;
        for line in &self.lines {
            let _ = write!(
                out,
                "<line class=\"line {}\" x1=\"{at}\" x2=\"{}\" y1=\"36\" y2=\"36\"/>\
                 <text class=\"tick\" x=\"{}\" y=\"40\">{}</text>",
                line.class,
                at + 18.0,
                at + 23.0,
                escape(&line.name)
            );
            at += 44.0 + 6.3 * line.name.chars().count() as f64;
        }
    }
}

fn down(place: f64) -> f64 {
    HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_round_and_hold_all_values() {
        let axis = Axis::new(Scale::Linear, [3.0, 97.0].into_iter());
        assert!((axis.high - 100.0).abs() < 1e-9);
        assert_eq!(axis.ticks().len(), 6);
        let axis = Axis::new(Scale::Exact, [3.0, 97.0].into_iter());
        assert!((axis.place(97.0) - 1.0).abs() < 1e-9);
        let axis = Axis::new(Scale::Tight, [22.1e6, 22.9e6].into_iter());
        assert!(axis.low > 20e6 && axis.low <= 22.1e6 && axis.high >= 22.9e6);
        assert!(axis.ticks().len() > 3, "{:?}", axis.ticks());
        let axis = Axis::new(Scale::Tight, [5.0].into_iter());
        assert!(axis.place(5.0).is_finite() && axis.high > axis.low);
        let axis = Axis::new(Scale::Log, [0.0003, 0.02].into_iter());
        assert!((axis.low - 0.0001).abs() < 1e-9 && (axis.high - 0.1).abs() < 1e-9);
        assert!(axis.place(0.0003) > 0.0 && axis.place(0.02) < 1.0);
        let axis = Axis::new(Scale::Nines, [0.5, 0.999, 1.0].into_iter());
        assert!((axis.place(0.9) - 1.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn text_is_escaped_and_emptiness_draws_nothing() {
        let mut plot = Plot {
            title: "a<b",
            x_name: "x",
            x_scale: Scale::Linear,
            y_scale: Scale::Linear,
            x_text: |v| v.to_string(),
            y_text: |v| v.to_string(),
            lines: vec![],
            bands: vec![],
            dots: false,
            wide: false,
        };
        assert_eq!(plot.draw(), "");
        plot.lines.push(Line {
            name: "l".into(),
            class: "c0",
            points: vec![(0.0, 1.0)],
        });
        let svg = plot.draw();
        assert!(svg.contains("a&lt;b") && !svg.contains("NaN"));
    }
}
