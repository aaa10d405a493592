-- Which tickets of a helpdesk are this channel's. One that was merged leads on to another. Nothing refers to
-- conversations by a constraint here, so that the previous version can still remove them.
CREATE TABLE helpdesk_ticket (
  helpdesk     TEXT NOT NULL,
  ticket       TEXT NOT NULL,
  conversation TEXT NOT NULL,
  epoch        INTEGER NOT NULL,
  merged_into  TEXT NOT NULL DEFAULT '',
  open         INTEGER NOT NULL,
  PRIMARY KEY (helpdesk, ticket)
);
CREATE INDEX helpdesk_ticket_conversation ON helpdesk_ticket (conversation, epoch);
CREATE INDEX helpdesk_ticket_open ON helpdesk_ticket (helpdesk, ticket) WHERE open = 1;

-- Agents' articles in a helpdesk outside that were taken as replies.
CREATE TABLE helpdesk_article (
  helpdesk     TEXT NOT NULL,
  article      TEXT NOT NULL,
  conversation TEXT NOT NULL,
  reply        TEXT NOT NULL,
  PRIMARY KEY (helpdesk, article)
);
CREATE INDEX helpdesk_article_reply ON helpdesk_article (reply);
CREATE INDEX helpdesk_article_conversation ON helpdesk_article (conversation);
