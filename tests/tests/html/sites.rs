//! Where the invented map server allocates.

use memshim_reader::report::{Frame, Stack};

/// One place that allocates, in MiB; what it has live adds up to 100 over all.
pub struct Site {
    /// The calls, the first one first; `name@module:line`.
    pub calls: &'static str,
    /// Live now.
    pub live: f64,
    /// Live at the peak.
    pub peak: f64,
    /// Allocated in all.
    pub allocated: f64,
    /// Freed by the next call of the same thread.
    pub temporary: f64,
    /// What the leak detector takes for leaked.
    pub leaked: f64,
    /// Whether all of it was seen.
    pub is_exact: bool,
    /// What the leak detector says.
    pub verdict: &'static str,
}

pub const SITES: &[Site] = &[
    Site {
        calls: "main@mapserver:12 serve@mapserver:80 handle_request@mapserver:140 \
                load_tile@mapserver:210 decode_png@libpng16.so.16:77 inflate@libz.so.1:640 \
                pixel_buffer@libpng16.so.16:31",
        live: 40.0,
        peak: 60.0,
        allocated: 400.0,
        temporary: 0.0,
        leaked: 38.0,
        is_exact: false,
        verdict: "leak",
    },
    Site {
        calls: "main@mapserver:12 serve@mapserver:80 handle_request@mapserver:140 \
                load_tile@mapserver:215 cache_insert@mapserver:330",
        live: 25.0,
        peak: 30.0,
        allocated: 60.0,
        temporary: 0.0,
        leaked: 0.0,
        is_exact: false,
        verdict: "bounded cache",
    },
    Site {
        calls: "main@mapserver:12 serve@mapserver:80 handle_request@mapserver:150 \
                parse_json@mapserver:400 json_value@mapserver:420 json_value@mapserver:431 \
                json_value@mapserver:431 \
                std::basic_string<char>::_M_append(char@const*,unsigned@long)@libstdc++.so.6:300",
        live: 0.5,
        peak: 6.0,
        allocated: 800.0,
        temporary: 700.0,
        leaked: 0.0,
        is_exact: false,
        verdict: "churn",
    },
    Site {
        calls: "main@mapserver:12 serve@mapserver:80 handle_request@mapserver:150 \
                parse_json@mapserver:400 json_value@mapserver:425 array_push@mapserver:460",
        live: 4.5,
        peak: 9.0,
        allocated: 120.0,
        temporary: 12.0,
        leaked: 0.0,
        is_exact: false,
        verdict: "growing container",
    },
    Site {
        calls: "main@mapserver:9 load_config@mapserver:40 read_file@mapserver:55",
        live: 10.0,
        peak: 10.0,
        allocated: 10.0,
        temporary: 0.0,
        leaked: 0.0,
        is_exact: true,
        verdict: "start-up resident",
    },
    Site {
        calls: "main@mapserver:10 open_database@mapserver:61 sqlite3Open@libsqlite3.so.0:900 \
                pcache1Alloc@libsqlite3.so.0:15200",
        live: 20.0,
        peak: 20.0,
        allocated: 20.0,
        temporary: 0.0,
        leaked: 0.0,
        is_exact: true,
        verdict: "start-up resident",
    },
    Site {
        calls: "[callers@unknown] run_job@libworker.so:12 +0x1234@libstripped.so.6:0",
        live: 0.0,
        peak: 14.0,
        allocated: 90.0,
        temporary: 55.0,
        leaked: 0.0,
        is_exact: false,
        verdict: "too little data",
    },
];

/// The stack of some calls, leaf first as reports have it.
pub fn stack(calls: &str) -> Stack {
    let frames: Vec<Frame> = calls.split_whitespace().map(frame).collect();
    Stack::from_iter(frames.into_iter().rev())
}

/// `name@module:line`; in a name `@` stands for a space.
fn frame(call: &str) -> Frame {
    if call.starts_with('[') {
        return Frame::marker(call.replace('@', " "));
    }
    let (name, place) = call.rsplit_once('@').expect("a call has a module");
    let (module, line) = place.rsplit_once(':').expect("a module has a line");
    let line: u32 = line.parse().expect("a line is a number");
    let mut frame = Frame {
        module: Some(format!("/usr/lib/{module}").into()),
        build_id: Some("00ff12a75b310b90".into()),
        ..Frame::default()
    };
    if let Some(offset) = name.strip_prefix("+0x") {
        frame.offset = u64::from_str_radix(offset, 16).ok();
    } else {
        frame.function = Some(name.replace('@', " ").into());
        frame.file = Some(format!("/build/{module}/src/part_{}.c", line / 100).into());
        frame.line = Some(line);
        frame.inlined = name == "array_push";
    }
    frame
}
