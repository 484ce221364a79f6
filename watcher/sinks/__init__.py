"""The types of sinks: one file and one line of `SINKS` for each."""

SINKS: dict[str, str] = {
    "alertmanager": "watcher.sinks.alertmanager:AlertmanagerOptions",
    "bitbucket": "watcher.sinks.bitbucket:BitbucketOptions",
    "eventbridge": "watcher.sinks.eventbridge:EventBridgeOptions",
    "file": "watcher.sinks.file:FileOptions",
    "github": "watcher.sinks.github:GitHubOptions",
    "gitlab": "watcher.sinks.gitlab:GitLabOptions",
    "jsm": "watcher.sinks.jsm:JsmOptions",
    "notify": "watcher.sinks.notify:NotifyOptions",
    "pagerduty": "watcher.sinks.pagerduty:PagerDutyOptions",
    "slack": "watcher.sinks.slack:SlackOptions",
    "sns": "watcher.sinks.sns:SnsOptions",
    "sqs": "watcher.sinks.sqs:SqsOptions",
    "stdout": "watcher.sinks.stdout:StdoutOptions",
    "teams": "watcher.sinks.teams:TeamsOptions",
    "webhook": "watcher.sinks.webhook:WebhookOptions",
}
"""The options of each type, imported when a configuration has a sink of that type. Options build their sink."""
