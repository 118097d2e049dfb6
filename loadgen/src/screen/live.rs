//! Answers: how does a run look on a live screen.
//!
//! Clients against target, rates, latency, server, faults. Must not know more than [`Progress`] says.

use crate::report::text::{bytes, count, time};
use crate::report::{LEAST_MEMORY, Second};
use crate::run::{Asker, Progress, Stop, Watcher};
use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Gauge, Paragraph, Sparkline};
use std::io::{Stderr, stderr};
use std::time::Duration;

/// The screen; leaving scope gives the terminal back.
#[derive(Debug)]
pub struct Live {
    terminal: Terminal<CrosstermBackend<Stderr>>,
    stop: Stop,
    notes: Vec<String>,
}

impl Live {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When the terminal refuses.
    pub fn open(stop: Stop) -> std::io::Result<Self> {
        enable_raw_mode()?;
        crossterm::execute!(stderr(), EnterAlternateScreen)?;
        let terminal = Terminal::new(CrosstermBackend::new(stderr()))?;
        Ok(Self {
            terminal,
            stop,
            notes: Vec::new(),
        })
    }

    /// `q`, Escape or Ctrl-C end the run in good order.
    fn keys(&self) {
        while event::poll(Duration::ZERO).unwrap_or(false) {
            let Ok(Event::Key(key)) = event::read() else {
                continue;
            };
            let control = key.modifiers.contains(KeyModifiers::CONTROL);
            if control && key.code == KeyCode::Char('c') {
                self.stop.ask(Asker::Interrupt);
            } else if matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                self.stop.ask(Asker::Key);
            }
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Nothing more can be done for a terminal that does not take this.
        let _ = crossterm::execute!(stderr(), LeaveAlternateScreen);
        let _ = disable_raw_mode();
        for note in &self.notes {
            eprintln!("{note}");
        }
    }
}

impl Watcher for Live {
    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }

    fn second(&mut self, progress: &Progress<'_>) {
        self.keys();
        let notes = self.notes.clone();
        // A frame that cannot be drawn is no reason to end a run.
        let _ = self.terminal.draw(|frame| draw(frame, progress, &notes));
    }
}

fn draw(frame: &mut ratatui::Frame<'_>, progress: &Progress<'_>, notes: &[String]) {
    let Some(last) = progress.seconds.last() else {
        return;
    };
    let [head, clients, top, bottom, errors, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(3),
        Constraint::Min(8),
        Constraint::Length(8),
        Constraint::Length(5),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(header(progress, last), head);
    frame.render_widget(gauge(last), clients);
    let [rates, latency] = halves(top);
    draw_rates(frame, rates, progress.seconds, last);
    draw_latency(frame, latency, progress.seconds, last);
    let [server, generator] = halves(bottom);
    frame.render_widget(server_panel(progress, last), server);
    frame.render_widget(generator_panel(progress, last), generator);
    frame.render_widget(faults_panel(progress), errors);
    let note = notes.last().map_or("", String::as_str);
    let keys = Line::from(vec![" q ".bold(), "end the run   ".dim(), note.dim()]);
    frame.render_widget(Paragraph::new(keys), foot);
}

fn halves(area: Rect) -> [Rect; 2] {
    Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(area)
}

fn panel(title: &str) -> Block<'_> {
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(Style::new().fg(Color::DarkGray))
        .title(Span::from(format!(" {title} ")).bold())
}

fn header<'a>(progress: &'a Progress<'_>, last: &Second) -> Paragraph<'a> {
    let (step, steps) = progress.step;
    let place = format!("  phase {}/{steps} ", step.min(steps));
    Paragraph::new(Line::from(vec![
        Span::from(format!(" {} ", progress.scenario.name))
            .black()
            .on_cyan()
            .bold(),
        Span::from(format!("  {} ", progress.scenario.url)),
        Span::from(place).dim(),
        Span::from(progress.phase).cyan().bold(),
        Span::from(format!("  {:.0} s", last.at)).dim(),
    ]))
}

fn gauge(last: &Second) -> Gauge<'static> {
    let wanted = last.wanted.max(1);
    let share = (f64::from(last.ready) / f64::from(wanted)).clamp(0.0, 1.0);
    let label = format!(
        "{} of {} clients  (+{}/s)",
        count(f64::from(last.ready)),
        count(f64::from(last.wanted)),
        count(last.connected)
    );
    Gauge::default()
        .block(panel("clients"))
        .gauge_style(Style::new().fg(Color::Cyan).bg(Color::Black))
        .ratio(share)
        .label(label)
        .use_unicode(true)
}

fn spark(seconds: &[Second], width: u16, pick: impl Fn(&Second) -> f64) -> Vec<u64> {
    let from = seconds.len().saturating_sub(usize::from(width));
    #[expect(clippy::cast_sign_loss, reason = "rates and times are not negative")]
    seconds[from..]
        .iter()
        .map(|s| pick(s).max(0.0) as u64)
        .collect()
}

fn draw_rates(frame: &mut ratatui::Frame<'_>, area: Rect, seconds: &[Second], last: &Second) {
    let block = panel("messages per second");
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let [text, plot] = Layout::vertical([Constraint::Length(2), Constraint::Min(1)]).areas(inside);
    let lines = vec![
        Line::from(vec!["received ".dim(), count(last.received).bold()]),
        Line::from(vec!["sent     ".dim(), count(last.sent).bold()]),
    ];
    frame.render_widget(Paragraph::new(lines), text);
    let data = spark(seconds, plot.width, |s| s.received);
    frame.render_widget(Sparkline::default().data(&data).cyan(), plot);
}

fn draw_latency(frame: &mut ratatui::Frame<'_>, area: Rect, seconds: &[Second], last: &Second) {
    let block = panel("latency from the planned instant; below: p99");
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let [text, plot] = Layout::vertical([Constraint::Length(2), Constraint::Min(1)]).areas(inside);
    let lines = match last.latency {
        None => vec![Line::from("no replies this second".dim())],
        Some(l) => vec![
            Line::from(vec![
                "p50 ".dim(),
                time(l.p50).bold(),
                "   p90 ".dim(),
                time(l.p90).bold(),
            ]),
            Line::from(vec![
                "p99 ".dim(),
                time(l.p99).bold(),
                "   p99.9 ".dim(),
                time(l.p999).bold(),
                "   max ".dim(),
                time(l.max).bold(),
            ]),
        ],
    };
    frame.render_widget(Paragraph::new(lines), text);
    let data = spark(seconds, plot.width, |s| {
        s.latency.map_or(0.0, |l| l.p99 * 1e6)
    });
    frame.render_widget(Sparkline::default().data(&data).magenta(), plot);
}

fn row(name: &str, value: String) -> Line<'_> {
    Line::from(vec![
        Span::from(format!("{name:<18}")).dim(),
        Span::from(value).bold(),
    ])
}

fn server_panel(progress: &Progress<'_>, last: &Second) -> Paragraph<'static> {
    let lines = match &last.server {
        None => vec![Line::from("not watched: give --pid or --scrape".dim())],
        Some(s) => vec![
            row("resident", bytes(s.rss as f64)),
            row("PSS", bytes(s.pss as f64)),
            row("added by a client", added_by_client(progress, last, s.pss)),
            row(
                "cores",
                last.server_cores
                    .map_or_else(|| "–".into(), |c| format!("{c:.2}")),
            ),
            row("descriptors", count(s.descriptors as f64)),
            row("TCP queues", bytes(s.tcp_memory as f64)),
        ],
    };
    Paragraph::new(lines).block(panel("server"))
}

/// What each client has added to the memory of the empty server.
fn added_by_client(progress: &Progress<'_>, last: &Second, memory: u64) -> String {
    let before = progress.memory_before.filter(|b| *b > 0 && last.ready > 0);
    let more = before.map(|before| memory.saturating_sub(before) as f64);
    more.filter(|more| *more >= LEAST_MEMORY)
        .map_or_else(|| "–".into(), |more| bytes(more / f64::from(last.ready)))
}

fn generator_panel(progress: &Progress<'_>, last: &Second) -> Paragraph<'static> {
    let lag = row("send lag p99", time(last.lag_p99));
    let lines = vec![
        if last.lag_p99 > 0.002 {
            lag.yellow()
        } else {
            lag
        },
        row("not started", count(progress.so_far.not_started as f64)),
        row("heartbeats", count(progress.so_far.pings as f64)),
        row("sent so far", count(progress.so_far.sent() as f64)),
        row("received so far", count(progress.so_far.received() as f64)),
        row("closed by plan", count(progress.so_far.closed as f64)),
    ];
    Paragraph::new(lines).block(panel("generator"))
}

fn faults_panel(progress: &Progress<'_>) -> Paragraph<'static> {
    let f = &progress.so_far.faults;
    let mut first = Vec::new();
    for (name, number) in [
        ("lost ", f.lost),
        ("  duplicated ", f.duplicated),
        ("  reordered ", f.reordered),
        ("  wrong ", f.wrong),
        ("  clients gone ", u64::from(progress.gone)),
    ] {
        let shown = Span::from(count(number as f64));
        first.push(name.dim());
        first.push(if number > 0 {
            shown.red().bold()
        } else {
            shown.green()
        });
    }
    let mut lines = vec![Line::from(first)];
    let reasons = progress
        .so_far
        .disconnects
        .iter()
        .chain(&progress.so_far.examples);
    for (reason, number) in reasons.take(2) {
        lines.push(Line::from(format!("{} × {reason}", number.count).red()));
    }
    Paragraph::new(lines).block(panel("faults (lost ones show at the end)"))
}
