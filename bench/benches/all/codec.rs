//! Answers: what do Engine.IO packets and payloads, Socket.IO packets, the JSON scan and frames cost.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Throughput};
use stentor_bench::{clock::Bench, crowd::NEWS, input};
use stentor_engine::{
    eio::{packet, payload},
    frame::{Frames, Kind, write_head},
    sio::{
        encode::{Body, Outgoing},
        json,
        packet::decode,
    },
};

pub(super) fn bench(c: &mut Bench) {
    engine(c);
    socket(c);
    encode(c);
    frame(c);
}

fn engine(c: &mut Bench) {
    let mut group = c.benchmark_group("engine.io");
    let text = format!("4{}", input::EVENT);
    group.bench_function("packet decode", |b| {
        b.iter(|| packet::decode(black_box(&text)));
    });
    for count in [1, 16] {
        let body = input::body(count);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(BenchmarkId::new("payload decode", count), |b| {
            b.iter(|| {
                payload::packets(black_box(&body))
                    .map(packet::decode)
                    .all(|p| p.is_ok())
            });
        });
        group.bench_function(BenchmarkId::new("payload encode", count), |b| {
            let mut out = Vec::with_capacity(body.len());
            b.iter(|| {
                out.clear();
                for _ in 0..count {
                    payload::push(&mut out, Kind::Text, black_box(text.as_bytes()));
                }
                black_box(&out);
            });
        });
    }
    let binary = vec![7; 1024];
    let mut base64 = Vec::new();
    payload::push(&mut base64, Kind::Binary, &binary);
    let base64 = String::from_utf8(base64).expect("base64 is ASCII");
    group.throughput(Throughput::Bytes(1024));
    group.bench_function("binary decode 1 KiB", |b| {
        b.iter(|| payload::binary(black_box(&base64[1..])));
    });
    group.finish();
}

fn socket(c: &mut Bench) {
    let mut group = c.benchmark_group("socket.io decode");
    for (name, text) in input::packets() {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| b.iter(|| decode(black_box(&text), 10)));
    }
    group.finish();
    let mut group = c.benchmark_group("json scan");
    for bytes in [64, 1 << 10, 1 << 14] {
        for (shape, text) in [
            ("records", input::records(bytes)),
            ("text", input::text(bytes)),
        ] {
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(BenchmarkId::new(shape, bytes), |b| {
                b.iter(|| json::check(black_box(&text)));
            });
        }
    }
    group.finish();
}

fn encode(c: &mut Bench) {
    let mut group = c.benchmark_group("socket.io encode");
    let kib = input::records(1 << 10);
    let parts = [Bytes::from(vec![7; 1024])];
    let event = |args| Body::Event { name: "news", args };
    let packets = [
        ("event 128 B", event(NEWS), &[][..]),
        ("event 1 KiB", event(&kib), &[]),
        ("ack", Body::Ack("\"ok\""), &[]),
        (
            "binary event 1 KiB",
            event(r#"{"_placeholder":true,"num":0}"#),
            &parts,
        ),
    ];
    for (name, body, attachments) in packets {
        let packet = Outgoing {
            namespace: "/",
            id: Some(7),
            body,
            attachments,
        };
        let mut out = Vec::with_capacity(4096);
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                black_box(&packet).write(&mut out);
                black_box(&out);
            });
        });
    }
    group.finish();
}

fn frame(c: &mut Bench) {
    let mut group = c.benchmark_group("frame");
    for len in [64, 1024, 70_000] {
        let mut out = Vec::with_capacity(16);
        group.bench_function(BenchmarkId::new("head", len), |b| {
            b.iter(|| {
                out.clear();
                write_head(&mut out, Kind::Text, black_box(len));
                black_box(&out);
            });
        });
    }
    let mut frames = Vec::new();
    for _ in 0..16 {
        write_head(&mut frames, Kind::Text, 64);
        frames.extend([b'x'; 64]);
    }
    group.bench_function("read 16 back", |b| {
        b.iter(|| Frames(black_box(&frames)).count());
    });
    group.finish();
}
