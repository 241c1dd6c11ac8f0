-- Messages by Telegram: the chat of each user, confirmed by the account's own person through a link that is good for
-- once, and what is to be sent there.
CREATE TABLE telegram_links (
    user_id     uuid        PRIMARY KEY REFERENCES users (user_id),
    token_hash  bytea       NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz
);

CREATE TABLE telegram_chats (
    user_id          uuid        PRIMARY KEY REFERENCES users (user_id),
    chat_id          bigint      NOT NULL UNIQUE,
    linked_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The number of the user's last event of which it is decided what is sent.
    read_until       bigint      NOT NULL,
    -- Nothing is sent: the person has blocked the bot.
    off_since        timestamptz,
    -- The highest number of a message that was sent there.
    last_message_id  bigint      NOT NULL DEFAULT 0
);

CREATE TABLE notification_policies (
    user_id  uuid  PRIMARY KEY REFERENCES users (user_id),
    policy   jsonb NOT NULL
);

-- A message that is to be sent, one an event and channel. It is `sending` from before the call that sends it: whoever
-- finds it so does not know whether it was sent. One that was sent, or never will be, has gone from here.
CREATE TABLE notification_outbox (
    user_id           uuid        NOT NULL,
    number            bigint      NOT NULL,
    channel           text        NOT NULL CHECK (channel = 'telegram'),
    state             text        NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sending')),
    -- The message of this event alone, and its line in one of many.
    text              text        NOT NULL,
    line              text        NOT NULL,
    at                timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Where it is being sent: the text of which this event is a part, and the highest number of a message known before.
    message           text,
    after_message_id  bigint,
    PRIMARY KEY (user_id, number, channel),
    FOREIGN KEY (user_id, number) REFERENCES strategy_events (user_id, number),
    CHECK ((state = 'sending') = (message IS NOT NULL AND after_message_id IS NOT NULL))
);

-- The bot that sends them, as its actor last told; no row where this instance has none.
CREATE TABLE telegram_bot (
    sole           boolean     PRIMARY KEY DEFAULT true CHECK (sole),
    username       text        NOT NULL,
    told_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    trouble        text,
    trouble_since  timestamptz
);
