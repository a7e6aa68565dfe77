//! Runs that are not certified, and certificates that cannot be read.

/// What is wrong with a certificate, or with a run that should get one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// Another file.
    #[error("is no certificate (`precipice certify RUN -o FILE` writes one)")]
    NotACertificate,
    /// Not as it was written.
    #[error("damaged or edited: {what}")]
    Damaged {
        /// What does not match.
        what: String,
    },
    /// Of another version.
    #[error("is a certificate of format {found}; this version reads format {expected}")]
    OtherFormat {
        /// As it stands there.
        found: u64,
        /// What this version reads.
        expected: u32,
    },
    /// A spec that has another address here.
    #[error(
        "{name}: its spec has the address {found} in this version, not {certified}: what a field that is left out means \
         has changed since version {version}"
    )]
    OtherMeaning {
        /// The run.
        name: String,
        /// Address here.
        found: String,
        /// Address in the certificate.
        certified: String,
        /// That wrote it.
        version: String,
    },
    /// A run that only another program can make again.
    #[error("is of a task or has probes of another program, which alone can make it again: it is not certified")]
    OfAnotherProgram,
    /// A step that the run did not make.
    #[error("made {steps} steps; there is no step {step} to certify")]
    NoSuchStep {
        /// As asked for.
        step: u64,
        /// Of the run.
        steps: u64,
    },
    /// A run on items of a file that nobody named.
    #[error("{name}: was trained on items of a file, with the digest {digest}; name the file with --items PATH")]
    NeedsItems {
        /// The run.
        name: String,
        /// Of its items.
        digest: String,
    },
    /// A branch whose items are those of several files.
    #[error(
        "{name}: it and what it begins with were trained on items of {n_files} files; a certificate knows those of one"
    )]
    SeveralItems {
        /// The run.
        name: String,
        /// Files that would have to be named.
        n_files: usize,
    },
}
