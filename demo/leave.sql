-- Five members leave the cohort.
DELETE FROM shop.big_spenders
WHERE customer_id IN (SELECT customer_id FROM shop.big_spenders ORDER BY customer_id LIMIT 5);
