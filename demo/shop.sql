-- The shop's database. Customers and big spenders are computed from the purchases,
-- as a warehouse would.
CREATE SCHEMA shop;

CREATE TABLE shop.purchases (
    purchase_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id integer NOT NULL,
    purchased_at timestamptz NOT NULL,
    quantity integer NOT NULL,
    amount numeric(10, 2) NOT NULL
);

CREATE TABLE shop.customers (
    customer_id integer PRIMARY KEY,
    orders integer NOT NULL,
    cds_bought integer NOT NULL,
    spend numeric(10, 2) NOT NULL,
    first_purchase date NOT NULL,
    last_purchase date NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE shop.big_spenders (
    customer_id integer PRIMARY KEY
);
