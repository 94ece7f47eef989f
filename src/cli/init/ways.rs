//! What can run the check, and the file that makes it do so.

use std::path::Path;

use clap::ValueEnum;

/// Something that runs builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Way {
    /// A workflow for pull requests
    Github,
    /// A job for merge requests
    Gitlab,
    /// A build specification
    Codebuild,
    /// A hook before each commit
    PreCommit,
}

impl Way {
    /// What the repository already uses.
    pub(super) fn found(repository: &Path) -> Vec<Self> {
        let signs: [(Self, &[&str]); 4] = [
            (Self::Github, &[".github"]),
            (Self::Gitlab, &[".gitlab-ci.yml"]),
            (Self::Codebuild, &["buildspec.yml", "buildspec.yaml"]),
            (Self::PreCommit, &[".pre-commit-config.yaml"]),
        ];
        let has = |names: &[&str]| names.iter().any(|name| repository.join(name).exists());
        signs.into_iter().filter(|(_, names)| has(names)).map(|(way, _)| way).collect()
    }

    /// The file that is written.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Github => ".github/workflows/pipewarden.yml",
            Self::Gitlab => ".gitlab/pipewarden.yml",
            Self::Codebuild => "buildspec.pipewarden.yml",
            Self::PreCommit => ".pre-commit-config.yaml",
        }
    }

    /// What is in it.
    pub(super) fn text(self, action: Option<&str>) -> String {
        match self {
            Self::Github => github(action),
            Self::Gitlab => GITLAB.to_owned(),
            Self::Codebuild => include_str!("../../../infra/ci/buildspec.yml").to_owned(),
            Self::PreCommit => PRE_COMMIT.to_owned(),
        }
    }

    /// What somebody has to do for it, and how.
    pub(super) fn next(self, with_action: bool) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Github if with_action => &[],
            Self::Github => &[(
                "Bring pipewarden to the runner",
                "`runs-on` an image that has it, or begin again with --action OWNER/NAME@COMMIT",
            )],
            Self::Gitlab => &[
                ("Include the job", "`include: [{local: .gitlab/pipewarden.yml}]` in .gitlab-ci.yml"),
                ("Bring pipewarden to the runner", "an `image:` that has it on the PATH"),
            ],
            Self::Codebuild => &[(
                "Make a CodeBuild project of it",
                "buildspec.pipewarden.yml, an image with pipewarden, clone depth full, a webhook for pull requests",
            )],
            Self::PreCommit => &[("Switch the hook on", "pre-commit install, with pipewarden on everybody's PATH")],
        }
    }
}

fn github(action: Option<&str>) -> String {
    let check = match action {
        Some(action) => format!("      - uses: {action}\n"),
        None => "      # The runner's image has pipewarden on its PATH.\n      - env:\n          BASE: ${{ github.event.pull_request.base.sha }}\n        run: pipewarden check --base \"$BASE\" .\n".to_owned(),
    };
    format!(
        "name: pipewarden
on: pull_request
permissions: {{}}
jobs:
  check:
    runs-on: ubuntu-latest
    timeout-minutes: 30
    permissions:
      contents: read
    steps:
      # Without an action of a third party: the pull request's commit with its history, which the base is looked up in.
      - env:
          REPOSITORY: ${{{{ github.server_url }}}}/${{{{ github.repository }}}}
          COMMIT: ${{{{ github.sha }}}}
          TOKEN: ${{{{ github.token }}}}
        run: |
          git init --quiet .
          header=\"AUTHORIZATION: basic $(printf 'x-access-token:%s' \"$TOKEN\" | base64 --wrap=0)\"
          git -c \"http.extraheader=$header\" fetch --quiet --no-tags \"$REPOSITORY\" \"$COMMIT\"
          git checkout --quiet --detach FETCH_HEAD
{check}"
    )
}

const GITLAB: &str = include_str!("../../../infra/ci/gitlab-ci.yml");

const PRE_COMMIT: &str = "repos:
  - repo: local
    hooks:
      - id: pipewarden
        name: pipewarden check
        entry: pipewarden check --baseline pipewarden-baseline.json --
        language: system
        types_or: [yaml, json]
        require_serial: true
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_builds_is_found_by_its_files() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Way::found(folder.path()).is_empty());
        std::fs::create_dir(folder.path().join(".github")).unwrap();
        std::fs::write(folder.path().join(".gitlab-ci.yml"), "").unwrap();
        assert_eq!(Way::found(folder.path()), [Way::Github, Way::Gitlab]);
    }

    #[test]
    fn every_file_is_yaml() {
        for way in Way::value_variants() {
            let text = way.text(Some("acme/pipewarden@0000000000000000000000000000000000000000"));
            let limits = crate::template::Limits::default();
            assert!(crate::template::Document::read(way.file(), text.as_bytes(), &limits).is_ok(), "{way:?}\n{text}");
        }
    }
}
