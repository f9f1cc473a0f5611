//! Makes what workers and clients say in words safe to show, as it comes in. Names and reasons go on to logs,
//! terminals, the journal and other workers. So control characters are escaped, and long texts are cut.

use program::text;
use proto::v1::{Hello, Report, report::Report as Up};

/// The name of a worker that gave none.
const NAMELESS: &str = "nameless";

/// A worker's hello, with texts that are safe to show.
pub fn hello(hello: &Hello) -> Hello {
    let name = match text::name(&hello.name) {
        name if name.is_empty() => NAMELESS.to_owned(),
        name => name,
    };
    Hello {
        name,
        version: text::name(&hello.version),
        device: text::name(&hello.device),
        device_name: text::name(&hello.device_name),
        host: text::one_line(&hello.host),
        run_id: hello.run_id.as_deref().map(text::one_line),
        model: hello.model.as_deref().map(text::name),
        kind: text::name(&hello.kind),
        libtorch: text::name(&hello.libtorch),
        gpu: text::name(&hello.gpu),
        ..*hello
    }
}

/// A worker's report, with texts that are safe to show.
pub fn report(report: Report) -> Report {
    let report = report.report.map(|report| match report {
        Up::Hello(words) => Up::Hello(hello(&words)),
        Up::Failed(mut failed) => {
            failed.message = text::one_line(&failed.message);
            Up::Failed(failed)
        }
        Up::NotUploaded(mut upload) => {
            upload.cause = text::one_line(&upload.cause);
            Up::NotUploaded(upload)
        }
        Up::Leaving(mut leaving) => {
            leaving.reason = text::one_line(&leaving.reason);
            Up::Leaving(leaving)
        }
        wordless => wordless,
    });
    Report { report }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::v1::{Failed, Leaving};

    const EVIL: &str = "\u{1b}]0;owned\u{7}\n\u{202e}";

    #[test]
    fn nothing_that_a_worker_says_disturbs_a_terminal() {
        let evil = || EVIL.repeat(1000);
        let hello = hello(&Hello {
            version: evil(),
            name: evil(),
            device: evil(),
            device_name: evil(),
            host: evil(),
            run_id: Some(evil()),
            model: Some(evil()),
            ..Hello::default()
        });
        let words = [
            hello.version.as_str(),
            &hello.name,
            &hello.device,
            &hello.device_name,
            &hello.host,
            hello.run_id.as_deref().unwrap(),
            hello.model.as_deref().unwrap(),
        ];
        let mut words = words.map(str::to_owned).to_vec();
        let failed = Up::Failed(Failed { message: evil(), ..Failed::default() });
        for report in [failed, Up::Leaving(Leaving { reason: evil() })] {
            match super::report(Report { report: Some(report) }).report {
                Some(Up::Failed(failed)) => words.push(failed.message),
                Some(Up::Leaving(leaving)) => words.push(leaving.reason),
                other => panic!("{other:?}"),
            }
        }
        for said in words {
            assert!(said.len() < 10_000 && !said.contains(char::is_control) && !said.contains('\u{202e}'), "{said}");
        }
        assert_eq!(super::hello(&Hello::default()).name, NAMELESS);
    }
}
