-- Today: the twelve customers closest below 500 dollars come back, ten minutes apart, and each
-- buys again what he or she bought last.
INSERT INTO shop.purchases (customer_id, purchased_at, quantity, amount)
SELECT
    customer_id,
    date_trunc('second', now()) - rank * interval '10 minutes',
    quantity,
    amount
FROM (
    SELECT DISTINCT ON (customer_id)
        customer_id,
        quantity,
        amount,
        rank
    FROM shop.purchases
    JOIN (
        SELECT customer_id, row_number() OVER (ORDER BY spend DESC, customer_id) AS rank
        FROM shop.customers
        WHERE spend < 500
        LIMIT 12
    ) AS close USING (customer_id)
    ORDER BY customer_id, purchase_id DESC
) AS again;
