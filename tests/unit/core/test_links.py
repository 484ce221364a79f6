"""Links to repositories, commits and connections: only from names that are what they stand for."""

from __future__ import annotations

import pytest

from watcher.core.links import Commit, commit_of, connection_page, links

SHA = "62c0d0f1c7e84c6fb8d3b1d8a1c1a9f0e5d4b3a2"
SETTINGS = "https://eu-west-1.console.aws.amazon.com/codesuite/settings"
SHOP = {"providerType": "GitHub", "ownerId": "org", "repositoryName": "shop", "sha": SHA, "branch": "main"}
PROTON = {"repositoryProvider": "GITHUB", "repositoryName": "org/shop", "sha": SHA, "branch": "main"}
IN_GROUPS = {**SHOP, "ownerId": None, "repositoryName": "group/team/shop"}


@pytest.mark.parametrize(
    ("revision", "commit"),
    [
        pytest.param(SHOP, Commit("GITHUB", "org/shop", SHA, "main"), id="as CodeConnections names it"),
        pytest.param(PROTON, Commit("GITHUB", "org/shop", SHA, "main"), id="as Proton names it"),
        pytest.param({**SHOP, "repositoryName": "org/shop"}, Commit("GITHUB", "org/shop", SHA, "main"), id="both"),
        pytest.param({**SHOP, "branch": None}, Commit("GITHUB", "org/shop", SHA, ""), id="no branch"),
        pytest.param({**SHOP, "sha": "62c0ffe"}, Commit("GITHUB", "org/shop", "62c0ffe", "main"), id="a short SHA"),
        pytest.param(
            {**SHOP, "providerType": "GitHubEnterpriseServer"},
            Commit("GITHUBENTERPRISESERVER", "org/shop", SHA, "main"),
            id="a server of its own",
        ),
        pytest.param(
            {**IN_GROUPS, "providerType": "GitLabSelfManaged"},
            Commit("GITLABSELFMANAGED", "group/team/shop", SHA, "main"),
            id="groups at GitLab",
        ),
        pytest.param(IN_GROUPS, None, id="groups at GitHub"),
        pytest.param({**SHOP, "providerType": None}, None, id="no provider"),
        pytest.param({**SHOP, "ownerId": None}, None, id="no owner"),
        pytest.param({**SHOP, "repositoryName": None}, None, id="no name"),
        pytest.param({**SHOP, "repositoryName": ".."}, None, id="a way out of the folder"),
        pytest.param({**SHOP, "sha": None}, None, id="no SHA"),
        pytest.param({**SHOP, "sha": "HEAD"}, None, id="another name of a commit"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_a_revision_names_a_commit_if_all_its_names_can_be_those_of_one(
    revision: dict[str, str | None], commit: Commit | None
) -> None:
    assert commit_of(revision) == commit


@pytest.mark.parametrize(
    ("revision", "repository", "commit"),
    [
        (SHOP, "https://github.com/org/shop", "/commit/"),
        ({**IN_GROUPS, "providerType": "GitLab"}, "https://gitlab.com/group/team/shop", "/-/commit/"),
        ({**SHOP, "providerType": "Bitbucket"}, "https://bitbucket.org/org/shop", "/commits/"),
        ({**SHOP, "sha": None}, "https://github.com/org/shop", None),
        ({**SHOP, "sha": "HEAD"}, "https://github.com/org/shop", None),
        ({**SHOP, "providerType": "GitLabSelfManaged"}, None, None),
        ({**SHOP, "repositoryName": "shop?"}, None, None),
        ({}, None, None),
    ],
)
def test_a_revision_has_links_at_the_providers_whose_urls_are_known(
    revision: dict[str, str | None], repository: str | None, commit: str | None
) -> None:
    assert links(revision) == (repository, commit and f"{repository}{commit}{SHA}")


@pytest.mark.parametrize(
    ("arn", "page"),
    [
        (
            "arn:aws:codeconnections:eu-west-1:111122223333:connection/6053346f-8a33",
            f"{SETTINGS}/111122223333/eu-west-1/codeconnections/connections/6053346f-8a33",
        ),
        ("arn:aws-cn:codeconnections:cn-north-1:111122223333:connection/6053346f", None),
        ("arn:aws:codeconnections:eu-west-1:111122223333:host/6053346f", None),
        ("arn:aws:codeconnections:eu-west-1:111122223333:connection/a/b", None),
        ("", None),
    ],
)
def test_a_connection_has_a_page_in_the_console_of_its_region(arn: str, page: str | None) -> None:
    assert connection_page(arn) == page
