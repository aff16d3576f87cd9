//! The stores that are compared.

use std::sync::Arc;

use realtime_core::{memory::MemoryStore, store::SharedBackend};
use realtime_store_sea::{SeaOptions, SeaStore};
use tempfile::TempDir;

/// Below the target directory: `/tmp` may be in memory, where an fsync costs nothing.
const ON_DISK: &str = env!("CARGO_TARGET_TMPDIR");

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A new SQLite file with the settings of production.
    Sqlite,
    /// Nothing but memory: what everything around the store costs.
    Memory,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Memory => "memory",
        }
    }
}

/// An empty store of its own, gone when it is dropped.
#[derive(Debug)]
pub(crate) enum Backend {
    Sqlite {
        store: Arc<SeaStore>,
        _directory: TempDir,
    },
    Memory(Arc<MemoryStore>),
}

impl Backend {
    pub(crate) async fn open(kind: Kind) -> Self {
        match kind {
            Kind::Memory => Self::Memory(Arc::default()),
            Kind::Sqlite => {
                let directory = directory();
                let url = format!("sqlite://{}", directory.path().join("bench.db").display());
                let store = SeaStore::connect(&url, SeaOptions::default()).await;
                Self::Sqlite {
                    store: Arc::new(store.expect("SQLite opens a new file")),
                    _directory: directory,
                }
            }
        }
    }

    pub(crate) fn shared(&self) -> SharedBackend {
        match self {
            Self::Sqlite { store, .. } => store.clone(),
            Self::Memory(store) => store.clone(),
        }
    }

    /// Closes the files before they are removed.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { store, .. } => store.close().await.expect("SQLite closes"),
            Self::Memory(_) => {}
        }
    }
}

/// An empty directory on the disk, gone when it is dropped.
pub(crate) fn directory() -> TempDir {
    tempfile::tempdir_in(ON_DISK).expect("the disk takes a directory")
}
