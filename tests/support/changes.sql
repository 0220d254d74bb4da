-- The changes between two runs: rows change, lose values or are new; users buy, join and leave cohorts.
UPDATE crm."Customers" SET
    "Prénom" = NULL,
    "Crédit restant" = "Crédit restant" + 0.10,
    email_marketing = CASE email_marketing WHEN 'Oui' THEN 'Non' ELSE 'Oui' END,
    interests = '{}',
    note = '',
    "updatedAt" = (SELECT max("updatedAt") FROM crm."Customers") + "USER_ID" * interval '1 second'
WHERE "USER_ID" % 9 = 0;

INSERT INTO crm."Customers" ("USER_ID", email, email_marketing, "updatedAt")
SELECT max("USER_ID") + 1, 'new@example.com', 'Oui', max("updatedAt") + interval '1 hour' FROM crm."Customers";

INSERT INTO crm.purchases ("USER_ID", occurred_at, amount, currency)
SELECT n, now(), n + 0.05, 'CHF' FROM generate_series(1, 5) AS n;

INSERT INTO crm.cohort_members ("USER_ID", "COHORT", "ACTION")
SELECT n, 'VIP Paris', (ARRAY['added', 'removed'])[1 + n % 2] FROM generate_series(20, 34) AS n;
