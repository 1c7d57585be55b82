//! What this process runs, as its files tell it: how stacks are unwound, and what functions are
//! called.

use crate::sampler::Sample;
use framehop::{
    CacheNative, ExplicitModuleSectionInfo, MayAllocateDuringUnwind, Module, UnwindRegsNative,
    Unwinder, UnwinderNative,
};
use object::{
    Object, ObjectSection, ObjectSegment, ObjectSymbol, ObjectSymbolTable, ReadCache, SymbolIndex,
    SymbolKind,
};
use std::{
    fs::{self, File},
    ops::Range,
    path::{Path, PathBuf},
};

/// A file that is mapped as code. Files are read where they are needed: debug information, which
/// can be hundreds of megabytes, never is.
pub(crate) struct Mapped {
    path: PathBuf,
    range: Range<u64>,
    offset: u64,
    data: ReadCache<File>,
}

type FileOf<'a> = object::File<'a, &'a ReadCache<File>>;

/// What is mapped now.
pub(crate) fn mapped() -> std::io::Result<Vec<Mapped>> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let program = fs::read_link("/proc/self/exe")?;
    let mapped = |line: &str| {
        let (path, range, offset) = parse(line)?;
        // The program's file may have been replaced since.
        let file = if path == program { Path::new("/proc/self/exe") } else { &path };
        let data = ReadCache::new(File::open(file).ok()?);
        Some(Mapped { path, range, offset, data })
    };
    Ok(maps.lines().filter_map(mapped).collect())
}

/// A line of `maps` that is about code of a file.
fn parse(line: &str) -> Option<(PathBuf, Range<u64>, u64)> {
    let path = &line[line.find('/')?..];
    let mut words = line.split_ascii_whitespace();
    let (range, flags, offset) = (words.next()?, words.next()?, words.next()?);
    if flags.as_bytes().get(2) != Some(&b'x') {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some((path.into(), number(start)?..number(end)?, number(offset)?))
}

/// Unwinds stacks and names functions.
pub(crate) struct Program<'a> {
    unwinder: UnwinderNative<&'a [u8], MayAllocateDuringUnwind>,
    cache: CacheNative<MayAllocateDuringUnwind>,
    modules: Vec<Loaded<'a>>,
}

struct Loaded<'a> {
    name: String,
    range: Range<u64>,
    /// What is added to an address of the file.
    bias: u64,
    file: FileOf<'a>,
    /// Address, size and index of each function, in order.
    functions: Vec<(u64, u64, SymbolIndex)>,
}

impl<'a> Program<'a> {
    pub(crate) fn new(mapped: &'a [Mapped]) -> Program<'a> {
        let mut unwinder = UnwinderNative::new();
        let mut modules = Vec::new();
        for mapped in mapped {
            // A file that cannot be read has functions without names.
            let Some(loaded) = load(mapped) else { continue };
            unwinder.add_module(module(&loaded));
            modules.push(loaded);
        }
        Program { unwinder, cache: CacheNative::new(), modules }
    }

    /// Whether the program itself, which is mapped first, has symbols.
    pub(crate) fn has_symbols(&self) -> bool {
        self.modules.first().is_some_and(|module| module.file.symbol_table().is_some())
    }

    /// Addresses within the functions that called each other, the innermost first, up to `limit`.
    pub(crate) fn unwind(&mut self, sample: &Sample, limit: usize) -> Vec<u64> {
        let mut read = |address| sample.read(address).ok_or(());
        let mut frames =
            self.unwinder.iter_frames(sample.pc, registers(sample), &mut self.cache, &mut read);
        let mut addresses = Vec::new();
        while addresses.len() < limit
            && let Ok(Some(frame)) = frames.next()
        {
            addresses.push(frame.address_for_lookup());
        }
        addresses
    }

    /// The function that an address is in, else its file.
    pub(crate) fn name(&self, address: u64) -> String {
        let Some(module) = self.modules.iter().find(|module| module.range.contains(&address))
        else {
            return "[unknown]".to_owned();
        };
        let at = address.wrapping_sub(module.bias);
        let after = module.functions.partition_point(|(start, ..)| *start <= at);
        let found = module.functions[..after].last();
        // Assembly has functions without a size.
        let found = found.filter(|(start, size, _)| *size == 0 || at - start < *size);
        let name = found.and_then(|(.., index)| {
            let symbol = table(&module.file)?.symbol_by_index(*index).ok()?;
            symbol.name().ok().map(|name| format!("{:#}", rustc_demangle::demangle(name)))
        });
        name.unwrap_or_else(|| format!("[{}]", module.name))
    }
}

fn load(mapped: &Mapped) -> Option<Loaded<'_>> {
    let file = object::File::parse(&mapped.data).ok()?;
    // The segment that this part of the file belongs to says where it wants to be. Pages of code
    // may hold the end of what stands before it.
    let segment = file.segments().find(|segment| {
        let (start, size) = segment.file_range();
        segment.permissions().executable()
            && start < mapped.offset.saturating_add(mapped.range.end.abs_diff(mapped.range.start))
            && mapped.offset < start.saturating_add(size)
    })?;
    let (start, _) = segment.file_range();
    let bias = mapped
        .range
        .start
        .wrapping_sub(mapped.offset)
        .wrapping_add(start)
        .wrapping_sub(segment.address());
    let mut functions = Vec::new();
    if let Some(table) = table(&file) {
        let code = |symbol: &_| ObjectSymbol::kind(symbol) == SymbolKind::Text;
        let symbols = table.symbols().filter(|symbol| code(symbol) && symbol.address() > 0);
        functions.extend(symbols.map(|one| (one.address(), one.size(), one.index())));
    }
    functions.sort_unstable_by_key(|(start, size, _)| (*start, *size));
    let name = mapped.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Some(Loaded { name, range: mapped.range.clone(), bias, file, functions })
}

/// All symbols, else those that other files may use.
fn table<'f, 'a>(file: &'f FileOf<'a>) -> Option<<FileOf<'a> as Object<'a>>::SymbolTable<'f>> {
    file.symbol_table().or_else(|| file.dynamic_symbol_table())
}

fn module<'a>(of: &Loaded<'a>) -> Module<&'a [u8]> {
    let section = |name| of.file.section_by_name(name);
    let range = |name| {
        section(name)
            .map(|section| section.address()..section.address().saturating_add(section.size()))
    };
    let data = |name| section(name).and_then(|section| section.data().ok());
    let sections = ExplicitModuleSectionInfo {
        base_svma: 0,
        text_svma: range(".text"),
        got_svma: range(".got"),
        eh_frame_svma: range(".eh_frame"),
        eh_frame: data(".eh_frame"),
        eh_frame_hdr_svma: range(".eh_frame_hdr"),
        eh_frame_hdr: data(".eh_frame_hdr"),
        ..ExplicitModuleSectionInfo::default()
    };
    Module::new(of.name.clone(), of.range.clone(), of.bias, sections)
}

#[cfg(target_arch = "x86_64")]
fn registers(sample: &Sample) -> UnwindRegsNative {
    UnwindRegsNative::new(sample.pc, sample.sp, sample.fp)
}

#[cfg(target_arch = "aarch64")]
fn registers(sample: &Sample) -> UnwindRegsNative {
    UnwindRegsNative::new(sample.lr, sample.sp, sample.fp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_files_is_found_among_what_is_mapped() {
        let line = "7f00-7fff r-xp 00001000 08:01 42                 /lib/with space.so";
        assert_eq!(parse(line), Some(("/lib/with space.so".into(), 0x7f00..0x7fff, 0x1000)));
        assert_eq!(parse("7f00-7fff r--p 00001000 08:01 42  /lib/a.so"), None);
        assert_eq!(parse("7f00-7fff r-xp 00000000 00:00 0   [vdso]"), None);
    }
}
