//! Call stacks: first only addresses, later with the names that `symbols` finds.

#![forbid(unsafe_code)]

use std::sync::Arc;

use serde::Serialize;

/// A call stack, leaf first: the caller of the allocation function, its caller, and so on.
///
/// A hundred thousand stacks are made of a few thousand frames, so stacks share them.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Stack(pub Vec<Arc<Frame>>);

impl FromIterator<Frame> for Stack {
    fn from_iter<I: IntoIterator<Item = Frame>>(frames: I) -> Stack {
        Stack(frames.into_iter().map(Arc::new).collect())
    }
}

/// One level of a call stack.
///
/// Names are shared, since one function stands in thousands of stacks. In JSON an unknown part
/// is null, and the two fields of the time before names are absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Frame {
    /// The return address in the process as it was recorded; 0 where there was none.
    #[serde(skip)]
    pub address: u64,
    /// Which of the target's modules held the address when it was recorded.
    #[serde(skip)]
    pub module_index: Option<usize>,
    /// The function's name, demangled.
    pub function: Option<Arc<str>>,
    /// The source file, as the compiler wrote it.
    pub file: Option<Arc<str>>,
    /// The line in `file`, from 1.
    pub line: Option<u32>,
    /// The column in `line`, from 1.
    pub column: Option<u32>,
    /// The recorded path of the executable or library.
    pub module: Option<Arc<str>>,
    /// The module's GNU build-id in hexadecimal.
    pub build_id: Option<Arc<str>>,
    /// The call's virtual address in the module, as `addr2line -e MODULE` takes it.
    pub offset: Option<u64>,
    /// Whether the compiler folded this function into the next frame's.
    pub inlined: bool,
}

impl Frame {
    /// A frame known by its return address only, with the index of the module that held it.
    ///
    /// The index is the position in the list that `symbols` is given later; an address whose
    /// module nobody knows has none.
    pub fn new(address: u64, module_index: Option<usize>) -> Frame {
        Frame {
            address,
            module_index,
            ..Frame::default()
        }
    }

    /// A frame that stands for something else than code, such as `[12 frames elided]`.
    pub fn marker(text: impl Into<Arc<str>>) -> Frame {
        Frame {
            function: Some(text.into()),
            ..Frame::default()
        }
    }

    /// The best single name: the function, else `module+0xoffset`, else the address.
    ///
    /// It may hold anything that a hostile binary put there; outputs clean it.
    pub fn label(&self) -> String {
        if let Some(function) = &self.function {
            return function.to_string();
        }
        match (&self.module, self.offset) {
            (Some(module), Some(offset)) => format!("{}+{offset:#x}", base_name(module)),
            _ => format!("{:#x}", self.address),
        }
    }

    /// The last part of the module's path, which is enough for people.
    pub fn module_name(&self) -> Option<&str> {
        self.module.as_deref().map(base_name)
    }
}

/// What follows the last slash.
fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
