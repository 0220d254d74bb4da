-- A realistic shop database with odd names, accents, nulls, empty texts and national phone numbers.
CREATE SCHEMA crm;

CREATE TABLE crm."Customers" (
    "USER_ID" bigint PRIMARY KEY,
    "Prénom" text,
    email text,
    phone text,
    email_marketing text,
    locale text,
    "Crédit restant" numeric(10, 2),
    score numeric,
    ratio double precision,
    "VIP" boolean,
    birth_date date,
    first_seen timestamptz,
    local_seen timestamp,
    interests text[],
    sizes integer[],
    preferences jsonb,
    note varchar(40),
    "updatedAt" timestamptz NOT NULL
);

INSERT INTO crm."Customers"
SELECT
    n,
    (ARRAY['Zoé', 'Søren', '李雷', 'O''Neil "Jr"', NULL])[1 + n % 5],
    CASE WHEN n % 7 > 0 THEN 'customer+' || n || '@example.com' END,
    CASE WHEN n % 6 > 0 THEN '06 12 34 ' || lpad((n % 90 + 10)::text, 2, '0') || '.56' END,
    (ARRAY['Oui', 'Non', NULL])[1 + n % 3],
    (ARRAY['fr_CH', 'de-DE', 'en_US', NULL])[1 + n % 4],
    (ARRAY[0.43, 0.07, -0.01, 9999999.99, 19.90, NULL])[1 + n % 6],
    n / 3.0,
    n / 7.0::double precision,
    (ARRAY[true, false, NULL])[1 + n % 3],
    CASE WHEN n % 8 > 0 THEN date '1969-12-25' + n * 211 END,
    CASE WHEN n % 5 > 0 THEN timestamptz '2025-03-30 01:59:59.5+02' + n * interval '7 hours' END,
    CASE WHEN n % 5 > 1 THEN timestamp '2025-10-26 02:30:00' + n * interval '1 minute' END,
    CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN '{}' WHEN 2 THEN ARRAY['thé', 'vin, rouge'] ELSE ARRAY['a'] END,
    CASE WHEN n % 3 > 0 THEN ARRAY[n, n + 2] END,
    CASE WHEN n % 10 = 0 THEN '{"theme": {"dark": true}}'::jsonb END,
    CASE n % 3 WHEN 0 THEN '' WHEN 1 THEN 'Préfère le soir 🍋' END,
    timestamptz '2026-01-01 00:00:00+00' + n * interval '1 hour'
FROM generate_series(1, 40) AS n;

CREATE TABLE crm.purchases (
    "ORDER_ID" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "USER_ID" bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    amount numeric(10, 2),
    currency char(3),
    items jsonb,
    labels text[],
    "Livré" boolean,
    coupon text
);

INSERT INTO crm.purchases ("USER_ID", occurred_at, amount, currency, items, labels, "Livré", coupon)
SELECT
    1 + n % 9,
    CASE WHEN n % 10 = 0 THEN now() - interval '3 days' ELSE now() - n * interval '11 minutes' END,
    (ARRAY[0.43, 1234.50, NULL])[1 + n % 3],
    'EUR',
    CASE WHEN n % 2 = 0 THEN '[{"sku": "Ä-1", "quantity": 2, "price": 9.9}]'::jsonb END,
    CASE WHEN n % 4 > 0 THEN ARRAY['soldé', 'web'] END,
    n % 3 = 0,
    CASE WHEN n % 5 = 0 THEN 'ÉTÉ-10' END
FROM generate_series(1, 30) AS n;

CREATE TABLE crm.cohort_members (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "USER_ID" bigint NOT NULL,
    "COHORT" text NOT NULL,
    "ACTION" text NOT NULL
);

INSERT INTO crm.cohort_members ("USER_ID", "COHORT", "ACTION")
SELECT n, (ARRAY['VIP Paris', 'lapsed'])[1 + n % 2], 'added' FROM generate_series(1, 30) AS n;

INSERT INTO crm.cohort_members ("USER_ID", "COHORT", "ACTION")
SELECT n, (ARRAY['VIP Paris', 'lapsed'])[1 + n % 2], 'REMOVED' FROM generate_series(1, 30, 7) AS n;

CREATE TABLE crm.subscribers (
    "USER_ID" bigint PRIMARY KEY
);

INSERT INTO crm.subscribers SELECT n * 3 FROM generate_series(1, 10001) AS n;
