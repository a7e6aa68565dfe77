//! The page as files for any web host.

use std::fs;
use std::path::{Component, Path, PathBuf};

use precipice_lab::error::LabError;
use precipice_lab::store::{RunDir, atomic};
use serde_json::Value;

use crate::built::{self, CONFIG, INDEX};
use crate::error::PageError;

/// Writes the page into a folder, which is new, empty, or an earlier page, whose files are replaced; what else lies there
/// stays. With `may_mix` it may be any folder. Returns the files.
///
/// A new folder is there with all files or not at all. In an earlier page every file is whole at any time, and what it
/// loads is there before `index.html` asks for it; interrupted, the same call goes on.
///
/// # Errors
/// If the folder is another one or lies in a run, or the system refuses.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// let page = folder.path().join("page");
/// let files = precipice_page::write(&page, false)?;
/// assert!(files.iter().all(|file| file.is_file()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write(folder: &Path, may_mix: bool) -> Result<Vec<PathBuf>, PageError> {
    RunDir::check_outside(folder)?;
    if folder.is_file() {
        return Err(PageError::IsAFile(folder.to_owned()));
    }
    let is_empty = fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
    let earlier = files_of(folder);
    if is_empty && !folder.is_symlink() {
        // Beside it, so that it can be moved.
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(LabError::io("create", parent))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let temporary = parent.join(format!("{}{name}.{}", atomic::TEMPORARY, std::process::id()));
        let made = write_into(&temporary, &[])
            .and_then(|_| fs::rename(&temporary, folder).map_err(LabError::io("create", folder)));
        if made.is_err() {
            // Half a page is of no use to anyone.
            let _ = fs::remove_dir_all(&temporary);
        }
        made?;
        return Ok(all().map(|name| folder.join(name)).collect());
    }
    if earlier.is_none() && !is_empty && !may_mix {
        return Err(PageError::NotAPage(folder.to_owned()));
    }
    Ok(write_into(folder, &earlier.unwrap_or_default())?)
}

/// Names of all files: what is loaded, what loads it, and what names all.
fn all() -> impl Iterator<Item = String> {
    let (last, first): (Vec<String>, Vec<String>) = built::names().into_iter().partition(|name| name == INDEX);
    first.into_iter().chain(last).chain([CONFIG.to_owned()])
}

/// Writes all files; those of an earlier page that are no longer needed go before it is forgotten that they were its.
fn write_into(folder: &Path, earlier: &[String]) -> Result<Vec<PathBuf>, LabError> {
    let mut files = Vec::new();
    for name in all() {
        let path = folder.join(&name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(LabError::io("create", parent))?;
        }
        let bytes = match built::file(&name) {
            Some(file) => file.bytes.into_owned(),
            None => {
                remove(folder, earlier)?;
                (built::written_config().to_string() + "\n").into_bytes()
            }
        };
        atomic::write(&path, &bytes)?;
        files.push(path);
    }
    Ok(files)
}

fn remove(folder: &Path, earlier: &[String]) -> Result<(), LabError> {
    for name in earlier.iter().filter(|name| !all().any(|kept| kept == **name)) {
        let path = folder.join(name);
        if fs::symlink_metadata(&path).is_ok_and(|file| file.is_file()) {
            fs::remove_file(&path).map_err(LabError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// The files that a page consists of; none where there is no page.
fn files_of(folder: &Path) -> Option<Vec<String>> {
    let config = atomic::read(&folder.join(CONFIG)).ok()?;
    let config: Value = serde_json::from_slice(&config).ok()?;
    if config.get("serve") != Some(&Value::Bool(false)) {
        return None;
    }
    let names = config.get("files")?.as_array()?.iter().filter_map(|name| name.as_str().map(str::to_owned));
    let is_inside = |name: &String| Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    Some(names.filter(is_inside).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(files: &[&str]) -> String {
        serde_json::json!({ "serve": false, "files": files }).to_string()
    }

    #[test]
    fn an_earlier_page_is_replaced_and_what_else_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (page, outside) = (folder.path().join("page"), folder.path().join("outside"));
        fs::create_dir_all(page.join("assets")).unwrap();
        let old = ["assets/index-00000000.js", "CNAME", "index.html"];
        old.iter().for_each(|name| fs::write(page.join(name), "old").unwrap());
        fs::write(&outside, "mine").unwrap();
        assert!(matches!(write(&page, false), Err(PageError::NotAPage(_))));
        assert_eq!(fs::read(page.join("index.html")).unwrap(), b"old");
        fs::write(page.join(CONFIG), config(&[old[0], "index.html", "../outside", "gone.js"])).unwrap();
        let files = write(&page, false).unwrap();
        assert_eq!(files[files.len() - 2..], [page.join("index.html"), page.join(CONFIG)]);
        assert!(!page.join(old[0]).exists() && outside.exists());
        assert_eq!(fs::read(page.join("CNAME")).unwrap(), b"old");
        assert_ne!(fs::read(page.join("index.html")).unwrap(), b"old");
        assert_eq!(write(&page, false).unwrap(), files);
    }

    #[test]
    fn a_folder_of_others_is_written_to_only_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(CONFIG), r#"{"serve": true}"#).unwrap();
        assert!(matches!(write(folder.path(), false), Err(PageError::NotAPage(_))));
        write(folder.path(), true).unwrap();
        assert!(files_of(folder.path()).is_some_and(|files| files.contains(&INDEX.to_owned())));
        let file = folder.path().join(CONFIG);
        assert!(matches!(write(&file, true), Err(PageError::IsAFile(_))));
        assert!(matches!(write(&file.join("x"), true), Err(PageError::Lab(_))));
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{names:?}");
    }
}
