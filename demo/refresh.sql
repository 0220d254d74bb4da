-- Brings the two computed tables up to date: only customers whose figures changed get a new
-- updated_at, and that is what an incremental run reads.
INSERT INTO shop.customers AS known
SELECT
    customer_id,
    count(*),
    sum(quantity),
    sum(amount),
    min(purchased_at)::date,
    max(purchased_at)::date,
    clock_timestamp()
FROM shop.purchases
GROUP BY customer_id
ORDER BY customer_id
ON CONFLICT (customer_id) DO UPDATE SET
    orders = excluded.orders,
    cds_bought = excluded.cds_bought,
    spend = excluded.spend,
    first_purchase = excluded.first_purchase,
    last_purchase = excluded.last_purchase,
    updated_at = excluded.updated_at
WHERE known.orders <> excluded.orders;

-- The cohort: customers who spent 500 dollars or more.
INSERT INTO shop.big_spenders
SELECT customer_id FROM shop.customers WHERE spend >= 500
ON CONFLICT DO NOTHING;
